"""`tintype serve`: a page to try models on, in the browser, on this machine only."""

import argparse

from tintype.commands.arguments import number

HOST, PORT = "127.0.0.1", 7860
EXAMPLES = """\
examples:
  tintype serve                                     those that came with it, and the best trained here
  tintype serve --model gan --model hints/hinted-1  these two
  tintype serve --port 8080
"""


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `serve` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "serve",
        help="a page to try models on, in the browser",
        description="Serve a page to try models on: drop a photograph, compare what models make of it, click "
        "to put a colour right, download it at full size. Nothing leaves this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option(
        "--model",
        action="append",
        default=[],
        help="name or folder of a model, as often as wanted; default: three that came with Tintype, the "
        "best three trained here, one that takes hints and one that knows many colourings, if they are there",
    )
    option("--host", default=HOST, help=f"address to serve at; default: {HOST}, this machine only")
    option("--port", type=number(int, 1, 65535), default=PORT, help=f"default: {PORT}")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C. Raises UserError for models and addresses that can't be had."""
    from tintype.page import choice, server  # here, for with these comes PyTorch, and help need not wait

    with server.listening(args.host, args.port) as listener:
        models = choice.offered(args.model)
        with server.application(models, args.host) as page:
            print(f"{server.address(listener)}: {', '.join(model.name for model in models)}; Ctrl-C ends it.")
            if args.host not in server.LOOPBACK:
                print(f"Whoever reaches {args.host} can use it: there is no password, and no encryption.")
            print(end="", flush=True)
            server.server(page).run(sockets=[listener])
