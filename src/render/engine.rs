//! Rendering one template with Tera, and its errors turned into problems with places.

use tera::{Context, Error, ErrorKind, ReportError, Tera};

use super::bounds::{Bound, BoundedWriter, start_deadline};
use super::functions::LATE;
use crate::settings::RenderSettings;
use crate::types::{Place, Problem, nearest};

/// The templates of the four documents that every node has, by their paths in a site.
pub const DOCUMENT_TEMPLATES: [&str; 4] = [META_DATA, USER_DATA, VENDOR_DATA, NETWORK_CONFIG];
/// The template of meta-data.
pub(super) const META_DATA: &str = "templates/meta-data";
/// The template of user-data, for nodes that have no file of their own and no default.
pub(super) const USER_DATA: &str = "templates/user-data";
/// The template of vendor-data.
pub(crate) const VENDOR_DATA: &str = "templates/vendor-data";
/// The template of network-config.
pub(crate) const NETWORK_CONFIG: &str = "templates/network-config";

/// A Tera with all templates of a site.
#[derive(Debug)]
pub(super) struct Engine {
    tera: Tera,
}

impl Engine {
    /// An engine with these templates.
    pub(super) const fn new(tera: Tera) -> Self {
        Self { tera }
    }

    /// What every document sees.
    pub(super) fn global_context(&mut self) -> &mut Context {
        self.tera.global_context()
    }

    /// Renders one template within the bounds.
    ///
    /// # Errors
    /// What the template did wrong, with line and column, or which bound it met.
    pub(super) fn render(&self, path: &str, context: &Context, bounds: &RenderSettings) -> Result<Vec<u8>, Problem> {
        start_deadline(bounds.time_limit());
        let mut writer = BoundedWriter::new(bounds.max_document_bytes);
        let rendered = self.tera.render_to(path, context, &mut writer);
        match (writer.met(), rendered) {
            (Some(Bound::Size), _) => Err(too_large(path, bounds)),
            (Some(Bound::Time), _) => Err(too_slow(path, bounds)),
            (None, Ok(())) => Ok(writer.into_bytes()),
            (None, Err(error)) if is_lateness(&error) => Err(too_slow(path, bounds)),
            (None, Err(error)) => Err(problem_of(&error, path)),
        }
    }
}

fn too_large(path: &str, bounds: &RenderSettings) -> Problem {
    let message = format!("the document grows past {} bytes", bounds.max_document_bytes);
    Problem::at(Place::file(path), message).with_hint("the bound is [render] max_document_bytes in mds.toml")
}

/// The problem of a template that takes too long.
pub(super) fn too_slow(path: &str, bounds: &RenderSettings) -> Problem {
    let message = format!("the document takes more than {} seconds", bounds.max_seconds);
    Problem::at(Place::file(path), message).with_hint("the bound is [render] max_seconds in mds.toml")
}

fn report(error: &Error) -> Option<&ReportError> {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => Some(report),
        _ => None,
    }
}

fn is_lateness(error: &Error) -> bool {
    report(error).map_or_else(|| error.to_string(), |report| report.message().to_owned()).contains(LATE)
}

/// What an error of the engine says, with its place; that of an error without one is the template.
pub(super) fn problem_of(error: &Error, path: &str) -> Problem {
    let Some(report) = report(error) else {
        return Problem::at(Place::file(path), first_line(&error.to_string()));
    };
    let span = report.span();
    // Tera counts columns from 0.
    let place = Place::at(report.filename(), span.start_line, span.start_col + 1);
    let (message, hint) = plain_message(report.message());
    Problem { place: Some(place), message, hint }
}

/// Tera gathers what is wrong between templates (unknown filters, functions, includes) in one text of reports, each
/// of which begins with `error: MESSAGE` and a line ` --> FILE:LINE:COLUMN`.
pub(super) fn problems_of_reports(text: &str) -> Vec<Problem> {
    let problem = |report: &str| {
        let mut lines = report.lines();
        let first = lines.next().unwrap_or_default();
        let (message, hint) = plain_message(first.strip_prefix("error: ").unwrap_or(first));
        let place = lines.next().and_then(|line| line.trim_start().strip_prefix("--> ")).and_then(place_of);
        Problem { place: Some(place.unwrap_or_else(|| Place::file("templates"))), message, hint }
    };
    text.split("\n\n").filter(|report| !report.starts_with("note: ")).map(problem).collect()
}

fn place_of(text: &str) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Place::at(parts.next()?, line, column))
}

/// Tera lists every name that exists; what helps is the nearest one.
fn plain_message(message: &str) -> (String, Option<String>) {
    let message = without_values(first_line(message));
    let (said, listed) = ["Available variables: ", "Available fields: "]
        .iter()
        .find_map(|label| message.split_once(label))
        .unwrap_or((message.as_str(), ""));
    let said = said.trim_end().trim_end_matches('.').to_owned();
    let unknown = said.split('`').nth(1).unwrap_or_default();
    let word = unknown.rsplit('.').next().unwrap_or_default();
    let hint = if said.starts_with("Unknown filter") {
        nearest(word, FILTERS).map(|candidate| format!("did you mean `{candidate}`?"))
    } else if said.starts_with("Unknown template") {
        Some("templates are included by their path from the top of the site".to_owned())
    } else if said.starts_with("Found `:`") || said.starts_with("Found string but expected identifier") {
        Some("arguments of filters stand in brackets, as in `default(value=\"x\")`".to_owned())
    } else {
        nearest(word, listed.split(", ")).map(|candidate| format!("did you mean `{candidate}`?"))
    };
    (said, hint)
}

/// The few messages of Tera that repeat a value, without it: it may be a password.
fn without_values(message: String) -> String {
    for (before, after) in [
        ("The string `", "` cannot be converted to "),
        ("Map does not have a key ", " and no default values were defined"),
        ("String `", "` could not be converted to UTF-8 after escaping"),
    ] {
        if let Some(rest) = message.strip_prefix(before)
            && let Some(at) = rest.rfind(after)
        {
            return format!("{}{}", before.trim_end_matches([' ', '`']), rest[at..].trim_start_matches('`'));
        }
    }
    message
}

/// The filters that templates have, for suggestions.
const FILTERS: [&str; 35] = [
    "abs",
    "base64",
    "capitalize",
    "default",
    "escape",
    "first",
    "float",
    "get",
    "group_by",
    "indent",
    "int",
    "join",
    "json",
    "keys",
    "last",
    "length",
    "lower",
    "nth",
    "pairs",
    "replace",
    "reverse",
    "round",
    "safe",
    "sort",
    "split",
    "str",
    "title",
    "trim",
    "trim_end",
    "trim_start",
    "truncate",
    "unique",
    "upper",
    "values",
    "yaml",
];

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::templates::TemplateSet;
    use super::*;

    fn set(files: &[(&str, &str)]) -> TemplateSet {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        TemplateSet::new(Arc::new(files), ["groups/a/cloud-config.yaml".to_owned()], BTreeMap::new(), |_| true)
    }

    fn render(text: &str) -> Result<String, Problem> {
        let files = [
            ("groups/a/cloud-config.yaml", text),
            ("groups/a/script.sh", "#!/bin/bash\necho ${#list[@]} {{ not a template\n"),
            ("groups/a/piece.txt", "piece of {{ hostname }}"),
        ];
        let set = set(&files);
        if let Some(fault) = set.faults_of("groups/a/cloud-config.yaml").into_iter().next() {
            return Err(fault.problem);
        }
        let engine = set.engine()?;
        let mut context = Context::new();
        context.insert("hostname", "tc1000");
        context.insert("node", &serde_json::json!({"nid": 1, "flags": [true, null]}));
        let bounds = RenderSettings { max_document_bytes: 10_000, max_seconds: 1 };
        let bytes = engine.render("groups/a/cloud-config.yaml", &context, &bounds)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn an_undefined_name_is_reported_with_its_place_and_the_nearest_name() {
        let problem = render("#cloud-config\nhostname: {{ hostnam }}\n").unwrap_err();
        assert_eq!(problem.place, Some(Place::at("groups/a/cloud-config.yaml", 2, 14)), "{problem}");
        assert!(problem.message.contains("hostnam"), "{problem}");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `hostname`?"), "{problem}");
    }

    #[test]
    fn a_broken_tag_is_reported_with_its_place() {
        let problem = render("a\n  {{ hostname | }}\n").unwrap_err();
        let place = problem.place.clone().unwrap();
        assert_eq!((place.file.as_str(), place.line), ("groups/a/cloud-config.yaml", 2), "{problem}");
    }

    #[test]
    fn an_unknown_filter_is_reported_with_its_place() {
        let problem = render("a\n{{ hostname | uper }}\n").unwrap_err();
        assert_eq!(problem.place, Some(Place::at("groups/a/cloud-config.yaml", 2, 15)), "{problem}");
        assert_eq!(problem.hint.as_deref(), Some("did you mean `upper`?"), "{problem}");
    }

    #[test]
    fn the_originals_filter_arguments_get_a_hint() {
        let problem = render("a\n{{ hostname | default:\"x\" }}\n").unwrap_err();
        assert!(problem.to_string().contains("default(value="), "{problem}");
    }

    #[test]
    fn a_script_is_passed_on_as_it_is_and_a_piece_is_rendered() {
        assert!(render("{{ file(path=\"groups/a/script.sh\") }}").unwrap().contains("${#list[@]} {{ not"));
        assert_eq!(render("{% include \"groups/a/piece.txt\" %}").unwrap(), "piece of tc1000");
        let problem = render("{{ file(path=\"groups/a/scrip.sh\") }}").unwrap_err();
        assert!(problem.to_string().contains("did you mean `groups/a/script.sh`?"), "{problem}");
    }

    #[test]
    fn a_file_outside_the_site_cannot_be_read() {
        for path in ["/etc/passwd", "../../etc/passwd", "groups/a/../../../etc/passwd"] {
            let problem = render(&format!("{{{{ file(path=\"{path}\") }}}}")).unwrap_err();
            assert!(problem.message.contains("the site has no file"), "{problem}");
        }
    }

    #[test]
    fn a_missing_include_names_the_template() {
        let problem = render("x\n{% include \"nowhere\" %}").unwrap_err();
        assert!(problem.to_string().contains("nowhere"), "{problem}");
    }

    #[test]
    fn filters_write_yaml_json_and_base64() {
        assert_eq!(
            render("a:\n  {{ node | yaml(indent=2) }}").unwrap(),
            "a:\n  flags:\n    - true\n    - null\n  nid: 1"
        );
        assert_eq!(render("{{ node | json }}").unwrap(), r#"{"flags":[true,null],"nid":1}"#);
        assert_eq!(render("{{ hostname | base64 }}").unwrap(), "dGMxMDAw");
    }

    #[test]
    fn a_template_cannot_nest_without_bound() {
        let nested = "{% set a = [] %}{% for i in range(end=5000) %}{% set_global a = [a] %}{% endfor %}";
        for filter in ["yaml", "json"] {
            let problem = render(&format!("{nested}{{{{ a | {filter} }}}}")).unwrap_err();
            assert!(problem.message.contains("nests deeper than 100 levels"), "{problem}");
        }
        let doubled = "{% set a = \"x\" %}{% for i in range(end=60) %}{% set_global a = [a, a] %}{% endfor %}";
        let problem = render(&format!("{doubled}{{{{ a | yaml }}}}")).unwrap_err();
        assert!(problem.message.contains("more than 67108864 bytes"), "{problem}");
    }

    #[test]
    fn a_template_cannot_grow_without_bound() {
        let problem = render("{% for i in range(end=100000) %}xxxxxxxxxx{% endfor %}").unwrap_err();
        assert!(problem.message.contains("grows past 10000 bytes"), "{problem}");
    }

    #[test]
    fn a_template_cannot_burn_time_in_nested_loops() {
        let problem = render(
            "{% for i in range(end=90000) %}{% for j in range(end=90000) %}{% for k in range(end=90000) %}{% endfor %}{% endfor %}{% endfor %}",
        )
        .unwrap_err();
        assert!(problem.message.contains("takes more than 1 seconds"), "{problem}");
        assert_eq!(problem.place, Some(Place::file("groups/a/cloud-config.yaml")));
    }
}
