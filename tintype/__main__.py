"""The command line: `python -m tintype`, installed as `tintype`."""

import argparse
import sys
from importlib import import_module

from tintype.console import run

COMMANDS = {  # each a module in `tintype/commands`, read only when it is asked for
    "colorize": "colour photographs",
    "video": "colour a film, or colour it as it plays",
    "models": "list the trained models and their figures",
    "serve": "a page to try models on, in the browser",
    "export": "write a model as ONNX",
}


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="tintype", description="Colour for black-and-white pictures.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name, summary in COMMANDS.items():
        if argv[:1] == [name]:
            import_module(f"tintype.commands.{name}").add(commands)
        else:
            commands.add_parser(name, help=summary)
    args = parser.parse_args(argv)
    args.run(args)


def entry() -> None:
    """What the installed command `tintype` calls."""
    run(main)


if __name__ == "__main__":
    entry()
