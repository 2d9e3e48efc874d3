//! Templates that both are given.

use super::harness::Client;

/// The node's meta-data.
pub(crate) const META_DATA: &str = "\
instance-id: i-42
local-hostname: tc1.example.org
hostname: tc1
cluster-name: tundra
region: north
public-keys: [ssh-ed25519 AAAA a, ssh-ed25519 BBBB b]
instance_data:
  v1:
    availability-zone: a1
    local_ipv4: 10.0.0.5
    public_keys: [k1, k2]
    nothing: null
    flag: yes
    count: 3
    ratio: 0.5
    quoted: \"it's\"
    vendor_data:
      groups:
        compute: {Description: of compute, rack: r7, empty: \"\", items: 5}
    interfaces:
    - {mac-address: \"02:00:00:00:00:01\", name: eth0}
    - {mac-address: \"02:00:00:00:00:02\", name: eth1}
";

/// A template, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Case {
    /// The document.
    pub(crate) text: String,
    /// Whether mds cannot tell what becomes of it.
    pub(crate) is_unjudged: bool,
}

/// Bodies of cloud-configs that begin with a jinja line.
const BODIES: &[&str] = &[
    // Names and how they print.
    "a: {{ v1.instance_id }} {{ instance_id }} {{ ds.meta_data.instance_id }} {{ v1.local_hostname }}\n",
    "a: {{ v1.cloud_name }} {{ v1.platform }} {{ v1.cloud_id }} {{ v1.region }} {{ v1.availability_zone }}\n",
    "a: {{ v1.subplatform }} {{ ds.meta_data.seedfrom }} {{ ds.meta_data.dsmode }}\n",
    "a: {{ v1.public_ssh_keys }} {{ public_ssh_keys[0] }}\n",
    "a: {{ ds.meta_data.instance_data.v1.public_keys }}\n",
    "a: {{ ds.meta_data.instance_data }}\n",
    "a: {{ ds }}\n",
    "a: {{ ds.meta_data.instance_data.availability_zone }} {{ ds.meta_data['local-hostname'] }}\n",
    "a: {{ ds.meta_data.instance_data.v1.interfaces[1].name }} {{ ds.meta_data.instance_data.v1.interfaces[0]['mac-address'] }}\n",
    "{% set d = ds.meta_data.instance_data.v1 %}\na: {{ d.nothing }} {{ d.flag }} {{ d.count }} {{ d.ratio }} {{ d.quoted }} {{ [d.quoted] }}\n",
    "a: {{ 7 / 2 }} {{ 4 / 2 }} {{ 7 // 2 }} {{ 2 ** 3 }} {{ 7 % 4 }} {{ 1.0 }} {{ -3 }} {{ 10 * 'ab' }}\n",
    "a: {{ true }} {{ none }} {{ [1, 'a', none] }} {{ {'a': 1} }} {{ (1, 2) }} {{ 'a' 'b' }}\n",
    // Missing names.
    "a: {{ ds.meta_data.nope }}\n",
    "a: {{ nope }} {{ hostname }}\n",
    "a: {{ nope ~ 'x' }} {{ nope | upper }} {{ nope | replace('a', 'b') }}\n",
    "a: {{ ds.meta_data['nope'] }} {{ ds['meta_data']['no-pe'] }}\n",
    "a: {{ ds.meta_data.instance_data.v1.interfaces[0].nope }}\n",
    "a: {{ ds.meta_data.instance_data.v1.interfaces[9] }}\n",
    "{% set x = ds.meta_data.nope %}\na: {{ x }}\n",
    "a: {{ nope | default('d') }} {{ nope | d(1) }} {{ ds.meta_data.nope | default('x', true) }} {{ '' | default('e', boolean=true) }}\n",
    "a: {{ nope is defined }} {{ nope is undefined }} {{ v1 is defined }} {{ ds.meta_data.nope is defined }}\n",
    "{% if nope %}\na: 1\n{% else %}\na: 2\n{% endif %}\n",
    "{% for x in nope %}\n- {{ x }}\n{% endfor %}\nb: 1\n",
    "a: {{ nope | length }} {{ nope | list }} {{ nope | join(',') }}\n",
    "a: {{ nope.more }}\n",
    "a: {{ ds.meta_data.nope.more }}\n",
    "a: {{ nope['more'] }}\n",
    "a: {{ ds.meta_data['nope'].more }}\n",
    "a: {{ nope() }}\n",
    "a: {{ nope.get('x') }}\n",
    "a: {{ ds.meta_data.local-hostname }}\n",
    "a: {{ v1.instance-id }}\n",
    "a: {{ ds.meta_data.cluster-name-x }}\n",
    "a: {{ nope + 1 }}\n",
    "a: {{ 1 - nope }}\n",
    "a: {{ 'x' if false }}|{{ 'x' if true }}|{{ 'x' if nope else 'y' }}\n",
    "a: {{ 'x' in ds.meta_data }} {{ 'region' in ds.meta_data }} {{ 'a' in nope }} {{ 'region' not in v1 }}\n",
    "a: {{ nope == other }} {{ nope == '' }} {{ nope is none }} {{ nope is string }} {{ nope is mapping }}\n",
    // Python's methods.
    "a: {{ ds.meta_data.get('region') }} {{ ds.meta_data.get('nope') }} {{ ds.meta_data.get('nope', 'd') }}\n",
    "{% for k, v in ds.meta_data.instance_data.v1.vendor_data.groups.items() %}\n{{ k }}: {{ v.rack }}\n{% endfor %}\n",
    "a: {{ v1.keys() | list }}\n",
    "a: {{ ds.meta_data.instance_data.v1.vendor_data.groups.compute.values() | list }}\n",
    "a: {{ v1.local_hostname.upper() }} {{ 'a,b'.split(',') }} {{ 'abc'.startswith('a') }} {{ ' x '.strip() }} {{ 'x'.replace('x', 'y') }}\n",
    "a: {{ '%s-%d' | format('x', 3) }} {{ '{} {}'.format(1, 'b') }} {{ ','.join(['a', 'b']) }}\n",
    "a: {{ v1.region.get('x') }}\n",
    "a: {{ v1.region.nope() }}\n",
    "a: {{ ds.meta_data.instance_data.v1.vendor_data.groups.compute['items'] }}\n",
    // Filters and tests.
    "a: {{ 'aB' | lower }} {{ 'ab' | capitalize }} {{ 'a b' | title }} {{ ' a ' | trim }} {{ [3, 1, 2] | sort }} {{ [1, 2] | sum }}\n",
    "a: {{ [1, 2, 3] | first }} {{ [1, 2, 3] | last }} {{ [1, 2] | reverse | list }} {{ [1, 1] | unique | list }} {{ '12' | int + 1 }} {{ '1.5' | float }}\n",
    "a: {{ ds.meta_data.instance_data.v1.interfaces | map(attribute='name') | join(', ') }}\n",
    "a: {{ ds.meta_data.instance_data.v1.interfaces | selectattr('name', 'equalto', 'eth1') | map(attribute='name') | list }}\n",
    "a: {{ {'b': 1, 'a': [true, none]} | tojson }} {{ ['x<y', \"it's\"] | tojson }}\n",
    "a: |\n  {{ \"x\\ny\" | indent(2) }}\nb: {{ 'x' | e }}\n",
    "a: {{ v1.region | b64encode }}\n",
    "a: {{ v1.region | to_yaml }}\n",
    "a: {{ 'a,b' | split(',') }}\n",
    "a: {{ v1.region is startingwith('n') }}\n",
    "a: {{ 3 is divisibleby 3 }} {{ 3 is odd }} {{ 'a' is string }} {{ ds is mapping }} {{ [1] is iterable }} {{ 1 is number }} {{ none is none }}\n",
    "a: {{ range(3) | list }} {{ dict(a=1) }} {{ [1, 2, 3][1:] }} {{ 'abc'[0] }} {{ [1, 2][-1] }}\n",
    // Statements and white space.
    "{% set x = 'a' if true else 'b' -%}\n   a: {{ x }}\n",
    "{% set x = 1 %}\n{% if x == 1 and not false or none %}\na: {{ x }}\n{% elif x > 2 %}\nb: 1\n{% endif %}\n",
    "a:\n{% for i in [1, 2] %}\n  - {{ loop.index }} {{ loop.last }} {{ i }}\n{% endfor %}\n",
    "a:\n{%- for i in [1, 2] %}\n  - {{ i }}\n{%- endfor %}\n\nb: 1\n",
    "  {% if true %}\na: 1\n  {% endif %}\nb: {# note #} 2\n{# note #}\nc: 3\n",
    "a: {% raw %}{{ x }}{% endraw %}\nb: {{ '{{' }}\n",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}\na: {{ m(1) }} {{ m(1, b=2) }}\n",
    "{% set ns = namespace(x=0) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}\na: {{ ns.x }}\n",
    "{% set l = [] %}\na: {{ l }}\n{% with x = 2 %}b: {{ x }}{% endwith %}\n",
    "{% filter upper %}a{% endfilter %}: {% block b %}1{% endblock %}\n",
    "{% for i in [1, 2, 3] if i > 1 %}\n- {{ i }}\n{% else %}\nnone\n{% endfor %}\n",
    "a: 1",
    "a: 1\n\n\n",
    "{% if true %}\na: 1\n{% endif %}",
    "{% if true %}\r\na: 1\r\n{% endif %}\r\nb: {{ v1.region }}\r\n",
    // What fails.
    "a: {{ v1.region\n",
    "a: {{ }}\n",
    "{% if true %}\na: 1\n",
    "{% for x in %}\n{% endfor %}\n",
    "{% endif %}\n",
    "{% nope %}\n",
    "a: {{ 'a' + 1 }}\n",
    "a: {{ none + 'x' }}\n",
    "a: {{ ds.meta_data.instance_data.v1.nothing + '-x' }}\n",
    "{% for a, b in [1] %}{{ a }}{% endfor %}\n",
    "{% include 'other' %}\n",
    "{% extends 'other' %}\n",
    "{% import 'other' as o %}\na: 1\n",
    "{% for i in [1] %}{% break %}{% endfor %}\n",
];

/// More of them, each a line.
const LINES: &str = include_str!("bodies.txt");

/// Documents that mds cannot tell what becomes of.
const UNJUDGED: &[&str] = &[
    "a: {{ merged_cfg.datasource_list }}\n",
    "a: {{ 'http://x' | urlize }}\n",
    "{% set l = [] %}{% do l.append(1) %}\na: {{ l }}\n",
    "a: {{ '%s' % 'x' }}\n",
    "a: {{ 'a'.zfill(3) }}\n",
    "a: {{ 'x=1'.partition('=') }}\n",
    "{% do [1] %}a: 1\n",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}\n",
    "a: {{ ['a'] | random }}\n",
    "a: {{ [1] | pprint }}\n",
    "a: {{ 'a b' | wordcount }}\n",
    "a: {{ lipsum() }}\n",
    "a: {{ 5 / 0 }}\n",
];

/// Whole documents.
const DOCUMENTS: &[&str] = &[
    "## template: jinja\n#!/bin/sh\necho {{ v1.local_hostname }}\n",
    "## Template: Jinja  \n#cloud-config\na: {{ v1.region }}\n",
    "## template: jinja2\n#cloud-config\na: 1\n",
    "## template: jinja # mine\n#cloud-config\na: 1\n",
    "\n## template: jinja\n#cloud-config\na: 1\n",
    "## template: jinja\n\n#cloud-config\na: {{ v1.region }}\n",
    "## template: jinja\n{% if true %}#cloud-config\n{% endif %}a: 1\n",
    "## template: jinja\n#include\nhttp://x\n",
    "## template: jinja\n#cloud-config-archive\n- a\n",
    "## template: jinja\na: 1\n",
    "## template: jinja\n## template: jinja\n#cloud-config\n",
    "## template: jinja\n",
    "## template: jinja",
    "## template: jinja\n\n",
    "## template: jinja\n{% if false %}\n#cloud-config\n{% endif %}\n",
    "## template: jinja\n{% if false %}#cloud-config{% endif %}",
    "## template: jinja\n#cloud-config\n",
];

/// Every template for a client.
pub(crate) fn cases(client: Client) -> Vec<Case> {
    let config = |body: &&str| format!("## template: jinja\n#cloud-config\n{body}");
    let mut texts: Vec<String> = BODIES.iter().map(config).collect();
    texts.extend(LINES.lines().map(|line| config(&format!("{line}\n").as_str())));
    texts.extend(DOCUMENTS.iter().map(|text| (*text).to_owned()));
    // The older client does not look for boothooks there.
    if client == Client::Trixie {
        texts.push("## template: jinja\n#cloud-boothook\n#!/bin/sh\necho {{ v1.region }}\n".to_owned());
    }
    let judged = texts.into_iter().map(|text| Case { text, is_unjudged: false });
    judged.chain(UNJUDGED.iter().map(|body| Case { text: config(body), is_unjudged: true })).collect()
}
