"""Starts Kobel's bootstrap: a module, so that Python can keep it compiled."""

import kobel_bootstrap

kobel_bootstrap.main()
