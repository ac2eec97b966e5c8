"""Asking the backends: what is asked, how one is asked, and how all answers are collected."""
