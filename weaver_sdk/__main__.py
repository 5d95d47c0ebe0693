"""`python -m weaver_sdk`: the command `weaver`, where the script itself is not on the path."""

from weaver_sdk.cli import main

if __name__ == "__main__":
    main()
