"""The ladder on known defects and dishonest answers, which it must refuse: without that, a pass means nothing."""
