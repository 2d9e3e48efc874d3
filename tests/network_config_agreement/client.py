"""What cloud-init and netplan say about network-config documents.

Reads a JSON list of texts from standard input and writes a JSON list of what is
wrong with each, or null. A document is fine when `cloud-init schema` takes it,
cloud-init's reader makes a network state of it without a warning, and netplan
generates from what is written for it.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile

import yaml
from cloudinit import net
from cloudinit.config import schema
from cloudinit.net import netplan, network_state

warnings = []


class Keep(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())


logging.getLogger("cloudinit").addHandler(Keep(level=logging.WARNING))
work = tempfile.mkdtemp()
path = os.path.join(work, "network-config")
tree = os.path.join(work, "root")


def generate(text):
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(os.path.join(tree, "etc/netplan"))
    name = os.path.join(tree, "etc/netplan/50-cloud-init.yaml")
    with open(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
    command = ["/usr/libexec/netplan/generate", "--root-dir", tree]
    subprocess.run(command, check=True, capture_output=True, text=True)


def look(text):
    warnings.clear()
    config = yaml.safe_load(text)
    if isinstance(config, dict):
        contents = config.get("network", config)
        if not contents or net.is_disabled_cfg(contents):
            return
    elif config is None:
        return
    with open(path, "w") as file:
        file.write(text)
    kind = schema.SchemaType.NETWORK_CONFIG
    schema.validate_cloudconfig_file(path, schema.get_schema(kind), kind)
    # As the network stage goes about it: cards first.
    net.extract_physdevs(contents)
    renderer = netplan.Renderer({"features": ["ipv6-mtu"]})
    state = network_state.parse_net_config_data(contents, renderer=renderer)
    generate(renderer._render_content(state))
    if warnings:
        raise ValueError(warnings[0])


def complaint(text):
    try:
        look(text)
    except subprocess.CalledProcessError as error:
        return "netplan: " + error.stderr
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def complaint_of_child(text):
    """Some documents make libnetplan, and so the client, end by a signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as file:
            json.dump(complaint(text), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    status = os.waitpid(child, 0)[1]
    return json.loads(answer) if status == 0 else f"ended with status {status}"


# Whatever the client prints, in C or in Python, goes elsewhere.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
json.dump([complaint_of_child(text) for text in json.load(sys.stdin)], out)
out.close()
