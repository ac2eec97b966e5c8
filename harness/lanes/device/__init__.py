"""
Proof of device: a CPU lane shows that no GPU was touched, a GPU lane that the GPU did the work.

Neither is believed without a control: something planted must be caught by the same instruments in the same run.
"""
