"""Serves documents, given as one JSON mapping on standard input, by their paths."""

import http.server
import json
import sys

documents = {path: text.encode() for path, text in json.load(sys.stdin).items()}
names = {"meta-data", "user-data", "vendor-data", "network-config"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rpartition("/")[2]
        body = documents.get(self.path)
        known = body is not None or name in names or name.endswith(".yaml")
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # The reverse look-up of the address would wait for name servers that there are not.
    def server_bind(self):
        http.server.socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


Server((sys.argv[1], 8080), Handler).serve_forever()
