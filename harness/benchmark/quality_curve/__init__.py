"""
Quality of both backends against the time that their training took.

Every point is a training of its own, whole and under the schedule that its number of epochs gives it: a checkpoint on
the way of a longer training has not seen its learning rate fall, and would show less than those seconds can buy.
"""
