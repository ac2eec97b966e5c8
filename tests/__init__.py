"""The tests, as a package only so that `tests.support` is found before any other package of that name."""
