"""What cloud-init itself makes of templates: run with its own Python in a Debian root.

Takes an object with `command_line`, `meta_data` and `templates` on standard input. Answers with the instance data that
the NoCloud data source keeps, with what templates see of it, and with what each template becomes: its text, or none when
the client loses it, the kind of document it is then, and what the client warned of.
"""

import json
import logging
import sys
from unittest import mock

from cloudinit import distros, handlers, helpers, sources, util
from cloudinit.handlers import jinja_template
from cloudinit.sources import DataSourceNoCloud

FOLDER = "/tmp/client"


class Warnings(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def seeded(meta_data):
    parts = (util.load_yaml(meta_data, default={}), b"", b"", None)
    # Before 23 the client did not ask for network-config.
    return lambda *_, **__: parts if hasattr(sources, "parse_cmdline_or_dmi") else parts[:3]


def persist(order, paths):
    distro = distros.fetch("debian")("debian", {}, paths)
    source = DataSourceNoCloud.DataSourceNoCloudNet({"datasource_list": ["NoCloud"]}, distro, paths)
    with mock.patch.object(util, "get_cmdline", return_value=order["command_line"]), mock.patch.object(
        util, "read_seeded", side_effect=seeded(order["meta_data"])
    ), mock.patch.object(DataSourceNoCloud.dmi, "read_dmi_data", return_value=None), mock.patch.object(
        util, "find_devs_with", return_value=[]
    ):
        assert source._get_data()
        assert source.persist_instance_data(write_cache=False)


class Sink(handlers.Handler):
    """Stands for the handlers that a rendered document goes on to."""

    def __init__(self, prefixes):
        super().__init__("always", version=3)
        self.prefixes = prefixes
        self.got = None

    def handle_part(self, data, ctype, filename, payload, frequency, headers):
        self.got = payload


def render(template, paths, prefixes, warnings):
    warnings.said = []
    sink = Sink(prefixes)
    handler = jinja_template.JinjaTemplatePartHandler(paths, sub_handlers=[sink])
    handlers.run_part(handler, {}, "part-001", template, "once-per-instance", {"Content-Type": "text/jinja2"})
    return {"text": sink.got, "warnings": warnings.said}


def main():
    order = json.load(sys.stdin)
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    util.ensure_dir(FOLDER)
    paths = helpers.Paths({"run_dir": FOLDER, "cloud_dir": FOLDER})
    persist(order, paths)
    with open(paths.get_runpath("instance_data_sensitive"), encoding="utf-8") as file:
        data = json.load(file)
    seen = jinja_template.convert_jinja_instance_data(
        data, decode_paths=data.get("base64-encoded-keys", []), include_key_aliases=True
    )
    prefixes = ["#cloud-config", "#!"]
    if hasattr(sources, "parse_cmdline_or_dmi"):
        prefixes.append("#cloud-boothook")
    renders = [render(template, paths, prefixes, warnings) for template in order["templates"]]
    json.dump({"instance_data": data, "seen": seen, "renders": renders}, sys.stdout)


main()
