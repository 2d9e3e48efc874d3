//! Templates that are put together by chance, always the same ones.

/// What templates begin with.
const VALUES: [&str; 20] = [
    "v1.region",
    "nope",
    "ds.meta_data",
    "ds.meta_data.nope",
    "ds.meta_data['nope']",
    "'a b'",
    "''",
    "3",
    "-2",
    "none",
    "true",
    "[1, 2]",
    "{'a': 1}",
    "v1.public_ssh_keys",
    "v1.availability_zone",
    "ds.meta_data.instance_data.v1.nothing",
    "ds.meta_data.instance_data.v1.flag",
    "ds.meta_data.instance_data.v1.ratio",
    "ds.meta_data.instance_data.v1.interfaces",
    "x",
];
const OPERATORS: &str = "+ - * / // % ~ == != < > and or in";
/// What is put behind a value. Without `lower`, `title` and `capitalize`: then the client does not see the mark of a missing name.
const FILTERS: &str = "upper length first last join(',') int float default('d') default('d',true) list string trim sort \
    reverse abs round replace('a','b') tojson sum max min unique|list map('upper')|list select|list \
    dictsort items|list indent e batch(2)|list random wordcount urlencode attr('a') map(attribute='name')|list";
const TESTS: &str = "defined undefined none string number mapping iterable sequence boolean odd true false in[1,2] upper \
    lower integer float";
const TAILS: &str = ".a ['a'] [0] [-1] [1:] .get('a') .items() .upper() .split(',') .keys()|list .a.b";

struct Maker(fastrand::Rng);

impl Maker {
    fn any<'a>(&mut self, words: &'a str) -> &'a str {
        let words: Vec<&str> = words.split_whitespace().collect();
        words[self.0.usize(..words.len())]
    }

    fn value(&mut self) -> &'static str {
        VALUES[self.0.usize(..VALUES.len())]
    }

    fn expression(&mut self) -> String {
        let value = self.value();
        match self.0.u8(..6) {
            0 => format!("({value} {} {})", self.any(OPERATORS), self.value()),
            1 | 2 => format!("({value} | {})", self.any(FILTERS)),
            3 => format!("({value}){}", self.any(TAILS)),
            4 => format!("({value} is {})", self.any(TESTS)),
            _ => value.to_owned(),
        }
    }

    fn body(&mut self) -> String {
        let expression = self.expression();
        match self.0.u8(..6) {
            0 => format!("{{% if {expression} %}}yes{{% else %}}no{{% endif %}}"),
            1 => format!("{{% for x in {expression} %}}- {{{{ x }}}}\n{{% endfor %}}"),
            2 => format!("{{% set y = {expression} %}}{{{{ y }}}}"),
            3 => format!("{{{{ {expression} if {} else 'z' }}}}", self.expression()),
            _ => format!("{{{{ {expression} }}}}"),
        }
    }
}

/// So many templates.
pub(crate) fn templates(count: usize) -> Vec<String> {
    let mut maker = Maker(fastrand::Rng::with_seed(1));
    (0..count).map(|_| format!("## template: jinja\n#cloud-config\na: {}\n", maker.body())).collect()
}
