"""The page's server: its own machine only, no other addresses, and no paths beyond those the page needs."""

import atexit
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tintype.console import UserError
from tintype.page.choice import Offered

LOOPBACK = ("127.0.0.1", "localhost", "::1")
WAITING = 16  # requests for colours; one is served at a time
SESSIONS = 32  # pages whose photographs are remembered
# Gradio and what it brings report home unless told not to, when they are imported or later.
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
GET = (
    *("/assets/", "/static/", "/gradio_api/file=", "/gradio_api/heartbeat/", "/gradio_api/queue/data"),
    *("/gradio_api/upload_progress", "/theme.css", "/config", "/favicon.ico", "/manifest.json"),
)
POST = ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/cancel", "/gradio_api/reset")
HEADERS = {
    # Gradio's scripts are partly in the page, and partly made from text; styles are all over it.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """An ASGI application that passes on only what the page needs, and has browsers ask nobody else.

    application: another one. hosts: the names by which requests may call this one; None for any.
    """

    def __init__(self, application, hosts: Sequence[str] | None) -> None:
        self._application = application
        self._hosts = hosts

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            status = self._refused(scope)
            if status:
                await send({"type": "http.response.start", "status": status, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        elif scope["type"] != "lifespan":
            return

        async def guarded(message) -> None:
            if message["type"] == "http.response.start":
                named = {name for name, _ in message.get("headers", ())}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                kept = [(name, value) for name, value in more if name not in named]
                message = message | {"headers": [*message.get("headers", ()), *kept]}
            await send(message)

        await self._application(scope, receive, guarded)

    def _refused(self, scope) -> int:
        """The status of a refusal, or 0. A page elsewhere must not reach this one by a name of its own."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]")
        if self._hosts is not None and host not in self._hosts:
            return 421
        path = scope["path"]
        if scope["method"] in ("GET", "HEAD"):
            if path == "/" or (path.startswith(GET) and "://" not in path and ":/" not in path):
                return 0
        elif scope["method"] == "POST" and path.rstrip("/") in POST:
            return 0
        return 404


@contextmanager
def application(models: Sequence[Offered], host: str = LOOPBACK[0]) -> Iterator[Guard]:
    """The page as an ASGI application. Uploads lie in a folder of its own, which is removed at the end."""
    with _private_folder() as folder:
        os.environ.update(ENVIRONMENT | {"GRADIO_TEMP_DIR": str(folder)})
        # Here, for they read the environment when they are imported.
        import gradio
        from fastapi import FastAPI
        from gradio import processing_utils

        from tintype.page import layout, photograph

        # Who sends an address in a file's place would have the server fetch it.
        processing_utils.async_ssrf_protected_download = _fetch_nothing
        page = layout.build(models, folder)
        page.queue(api_open=False, max_size=WAITING, default_concurrency_limit=1)
        page.state_session_capacity = SESSIONS
        page.has_launched = True  # else Gradio takes any file of this machine for an upload
        mounted = gradio.mount_gradio_app(
            FastAPI(openapi_url=None),
            page,
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=photograph.MAX_BYTES,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            theme=layout.theme(),
            css=layout.CSS,
        )
        yield Guard(mounted, LOOPBACK if host in LOOPBACK else None)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A new folder that only its owner can read; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tintype-"))
    # Again when all threads have ended, of which one may be colouring a photograph into it still.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address. Raises UserError where that is taken, or not this machine's."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        other = f"--port {7861 if port == 7860 else 7860}" if taken else f"--host {LOOPBACK[0]}"
        known = error.errno is not None and error.errno > 0  # else a name that nobody knows
        raise UserError(
            f"cannot serve at {host}, port {port}: {os.strerror(error.errno) if known else error.strerror}; "
            f"choose another {'port, from 1024 to 65535' if taken else 'address'}: tintype serve {other}"
        ) from error


def address(listener: socket.socket) -> str:
    """Where a browser on this machine finds what listens there."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server(guard: Guard):
    """A uvicorn server for the page, to be run with the sockets that `listening` gives."""
    import uvicorn

    config = uvicorn.Config(
        guard,
        log_level="critical",  # pages that are open when it ends are none of its errors
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # open pages hold connections that never end
    )
    return uvicorn.Server(config)


async def _fetch_nothing(url: str, **_) -> str:
    raise ValueError("files are uploaded to this page, not fetched")
