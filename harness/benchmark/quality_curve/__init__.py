"""
What a training reaches in how many seconds: the quality of both backends against the time that it took.

Every point is a training of its own, whole and under the schedule that its number of epochs gives it: a checkpoint on
the way of a longer training has not seen its learning rate fall, and would show less than those seconds can buy.
"""
