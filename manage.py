#!/usr/bin/env python
"""Django's command line for the hub; `manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ocpi_hub.settings")
    from ocpi_hub import commandline

    sys.exit(commandline.run(sys.argv))


if __name__ == "__main__":
    main()
