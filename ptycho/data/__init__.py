"""From a file to a checked scan: headers, values, units, masks, and the formats that other programs write."""
