//! The templates that take part in a build, and what is wrong with them. A template that cannot be used keeps nothing
//! back but the documents that need it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tera::{Error, ErrorKind, Tera};

use super::engine::{
    DOCUMENT_TEMPLATES, Engine, META_DATA, NETWORK_CONFIG, USER_DATA, VENDOR_DATA, problem_of, problems_of_reports,
};
use super::functions;
use super::references::{circles, components_defined, components_used, literals, references};
use super::{INCLUDE_CYCLE_RULE, NodeProblem, TEMPLATE_RULE};
use crate::types::{Place, Problem};

/// The built-in templates of the four fixed documents, by their path in a site, where a file of that path overrides
/// them.
const BUILT_IN: [(&str, &str); 4] = [
    (META_DATA, include_str!("../../templates/meta-data")),
    (USER_DATA, include_str!("../../templates/user-data")),
    (VENDOR_DATA, include_str!("../../templates/vendor-data")),
    (NETWORK_CONFIG, include_str!("../../templates/network-config")),
];

/// The folder of templates that are shared.
const FOLDER: &str = "templates/";

/// The texts of all templates that take part, by path in the site.
#[derive(Clone, Debug)]
pub(super) struct TemplateSet {
    /// What the engine is given. In the place of a template that it would refuse there is an empty one, so that it takes
    /// the others.
    texts: BTreeMap<String, String>,
    files: Arc<BTreeMap<String, Vec<u8>>>,
    /// Which templates need which others.
    needs: BTreeMap<String, BTreeSet<String>>,
    /// What is wrong, by the path of the template.
    faults: BTreeMap<String, Vec<NodeProblem>>,
    unused: Vec<String>,
}

impl TemplateSet {
    /// Gathers the built-in templates, everything in `templates/` that `is_rendered` here, the given entries, and whatever
    /// these include, and looks for faults. Other files of the site, such as shell scripts, never meet the parser of Tera:
    /// `{{ file(path=…) }}` passes them on as they are. `refused` are templates with which something else is wrong.
    pub(super) fn new(
        files: Arc<BTreeMap<String, Vec<u8>>>,
        entries: impl IntoIterator<Item = String>,
        refused: BTreeMap<String, Vec<NodeProblem>>,
        is_rendered: impl Fn(&str) -> bool,
    ) -> Self {
        let mut texts: BTreeMap<String, String> =
            BUILT_IN.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let entries: Vec<String> = entries.into_iter().collect();
        let shared = files.keys().filter(|path| path.starts_with(FOLDER) && is_rendered(path)).cloned();
        let mut waiting: Vec<String> = shared.chain(entries.iter().cloned()).collect();
        let mut seen = BTreeSet::new();
        while let Some(path) = waiting.pop() {
            let text = files.get(&path).and_then(|bytes| std::str::from_utf8(bytes).ok());
            if let Some(text) = text
                && seen.insert(path.clone())
            {
                waiting.extend(references(text).iter().map(|reference| reference.path.to_owned()));
                texts.insert(path, text.to_owned());
            }
        }
        let roots = entries.into_iter().chain(DOCUMENT_TEMPLATES.map(str::to_owned));
        let unused = unused(&files, &texts, roots);
        let mut set = Self { texts, files, needs: BTreeMap::new(), faults: refused, unused };
        Faults::default().find(&mut set);
        set
    }

    /// The text of a template that takes part; an empty one in the place of a faulty one.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether the site has its own file for a built-in template.
    pub(super) fn is_overridden(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// What is wrong with templates, by their paths.
    pub(super) const fn faults(&self) -> &BTreeMap<String, Vec<NodeProblem>> {
        &self.faults
    }

    /// The templates with faults that a template needs, itself among them.
    pub(super) fn faulty_needs(&self, path: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        if self.faults.is_empty() {
            return found;
        }
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            if !seen.insert(path) {
                continue;
            }
            found.extend(self.faults.get_key_value(path).map(|(path, _)| path.as_str()));
            waiting.extend(self.needs.get(path).into_iter().flatten().map(String::as_str));
        }
        found
    }

    /// What keeps a template from being rendered.
    pub(super) fn faults_of(&self, path: &str) -> Vec<NodeProblem> {
        let faulty = self.faulty_needs(path).into_iter().filter_map(|path| self.faults.get(path));
        faulty.flatten().cloned().collect()
    }

    /// Files in `templates/` that nothing uses.
    pub(super) fn unused(&self) -> &[String] {
        &self.unused
    }

    /// An engine with all templates: one per thread, since a shared one does not scale.
    ///
    /// # Errors
    /// None that is known: what the engine would refuse is left out.
    pub(super) fn engine(&self) -> Result<Engine, Problem> {
        match self.tera() {
            Ok(tera) => Ok(Engine::new(tera)),
            Err(error) => Err(problem_of(&error, FOLDER.trim_end_matches('/'))),
        }
    }

    fn tera(&self) -> Result<Tera, Error> {
        let mut tera = self.empty();
        tera.add_raw_templates(&self.texts).map(|()| tera)
    }

    fn empty(&self) -> Tera {
        let mut tera = Tera::new();
        tera.autoescape_on(Vec::<&'static str>::new());
        functions::register(&mut tera, &self.files);
        tera
    }
}

/// Looks for what is wrong with templates, and takes out of a set what the engine would refuse.
#[derive(Default)]
struct Faults {
    /// Which template defines a component.
    components: BTreeMap<String, String>,
    /// Where templates refer to others.
    places: BTreeMap<(String, String), Place>,
    /// Templates of which the engine gets none of the text.
    emptied: BTreeSet<String>,
}

impl Faults {
    fn find(&mut self, set: &mut TemplateSet) {
        self.follow_references(set);
        for circle in circles(&set.needs) {
            let problem = self.circle_problem(&circle);
            self.fault(set, &circle[0], INCLUDE_CYCLE_RULE, problem);
        }
        self.follow_components(set);
        if set.tera().is_ok() {
            return;
        }
        let broken: Vec<(String, Problem)> = set.texts.iter().filter_map(|one| syntax_problem(set, one)).collect();
        for (path, problem) in broken {
            self.fault(set, &path, TEMPLATE_RULE, problem);
        }
        // Each round takes out one template at least.
        while let Err(error) = set.tera() {
            if !self.take_out(set, self.problems(&error)) {
                self.fault_everywhere(set, &error);
            }
        }
    }

    fn follow_references(&mut self, set: &mut TemplateSet) {
        for (path, text) in &set.texts {
            for reference in references(text) {
                let pair = (path.clone(), reference.path.to_owned());
                self.places.entry(pair).or_insert_with(|| Place::of_offset(path, text, reference.offset));
                set.needs.entry(path.clone()).or_default().insert(reference.path.to_owned());
            }
            for component in components_defined(text) {
                self.components.entry(component.to_owned()).or_insert_with(|| path.clone());
            }
        }
    }

    fn follow_components(&self, set: &mut TemplateSet) {
        for (path, text) in &set.texts {
            let definers = components_used(text).into_iter().filter_map(|name| self.components.get(name));
            for definer in definers.filter(|definer| *definer != path) {
                set.needs.entry(path.clone()).or_default().insert(definer.clone());
            }
        }
    }

    fn fault(&mut self, set: &mut TemplateSet, path: &str, rule: &'static str, problem: Problem) {
        set.faults.entry(path.to_owned()).or_default().push(NodeProblem { rule: rule.into(), problem });
        self.empty(set, path);
    }

    fn empty(&mut self, set: &mut TemplateSet, path: &str) -> bool {
        if let Some(text) = set.texts.get_mut(path) {
            text.clear();
        }
        self.emptied.insert(path.to_owned())
    }

    /// Takes out the templates that these problems are about, and says whether there was one.
    fn take_out(&mut self, set: &mut TemplateSet, problems: Vec<(String, Problem)>) -> bool {
        let before = self.emptied.clone();
        for (path, problem) in problems {
            if before.contains(&path) || !set.texts.contains_key(&path) {
                continue;
            }
            if self.is_consequence(set, &path, &problem) {
                self.empty(set, &path);
            } else {
                self.fault(set, &path, TEMPLATE_RULE, problem);
            }
        }
        self.emptied.len() > before.len()
    }

    /// Whether a problem is there only because another template was taken out.
    fn is_consequence(&self, set: &TemplateSet, path: &str, problem: &Problem) -> bool {
        let name = problem.message.split('`').nth(1).unwrap_or_default();
        if problem.message.starts_with("Unknown component") {
            return self.components.get(name).is_some_and(|definer| self.emptied.contains(definer));
        }
        problem.message.starts_with("Block `") && !set.faulty_needs(path).is_empty()
    }

    /// What is wrong between templates, by the paths of those that are to blame.
    fn problems(&self, error: &Error) -> Vec<(String, Problem)> {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::MissingParent { current, parent } => {
                let place = self.places.get(&(current.clone(), parent.clone())).cloned();
                let place = place.unwrap_or_else(|| Place::file(current));
                let problem = Problem::at(place, format!("Unknown template `{parent}`"))
                    .with_hint("templates are extended by their path from the top of the site");
                vec![(current.clone(), problem)]
            }
            ErrorKind::Msg(message) if message.contains("is defined in both `") => {
                let second = message.split('`').nth(5).unwrap_or_default();
                vec![(second.to_owned(), Problem::at(Place::file(second), message.clone()))]
            }
            _ => {
                let problems = problems_of_reports(&text).into_iter();
                problems.filter_map(|problem| Some((problem.place.as_ref()?.file.clone(), problem))).collect()
            }
        }
    }

    /// The engine does not say which template is to blame, so none can be trusted.
    fn fault_everywhere(&mut self, set: &mut TemplateSet, error: &Error) {
        let problem = problem_of(error, FOLDER.trim_end_matches('/'));
        let paths: Vec<String> = set.texts.keys().cloned().collect();
        for path in paths {
            self.fault(set, &path, TEMPLATE_RULE, problem.clone());
        }
    }

    fn circle_problem(&self, circle: &[String]) -> Problem {
        let chain: Vec<String> = circle.iter().chain(circle.first()).map(|path| format!("`{path}`")).collect();
        let second = circle.get(1).unwrap_or(&circle[0]);
        let place = self.places.get(&(circle[0].clone(), second.clone())).cloned();
        let message = format!("templates include or extend one another without end: {}", chain.join(" → "));
        Problem::at(place.unwrap_or_else(|| Place::file(&circle[0])), message)
            .with_hint("take one of these out, or move what both need into a template of its own")
    }
}

fn syntax_problem(set: &TemplateSet, (path, text): (&String, &String)) -> Option<(String, Problem)> {
    let error = set.empty().add_raw_template(path, text).err()?;
    matches!(error.kind(), ErrorKind::SyntaxError(_)).then(|| (path.clone(), problem_of(&error, path)))
}

/// The files in `templates/` that cannot be reached from these templates. What is made of several texts may be a path,
/// so a folder that is named stands for all that is in it.
fn unused(
    files: &BTreeMap<String, Vec<u8>>,
    texts: &BTreeMap<String, String>,
    roots: impl Iterator<Item = String>,
) -> Vec<String> {
    let is_note = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("README"));
    let mut left: BTreeSet<&str> = files.keys().map(String::as_str).filter(|path| path.starts_with(FOLDER)).collect();
    left.retain(|path| !is_note(path) && !DOCUMENT_TEMPLATES.contains(path));
    let mut components: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in &left {
        for name in texts.get(*path).into_iter().flat_map(|text| components_defined(text)) {
            components.entry(name).or_default().push(path);
        }
    }
    let mut waiting: Vec<String> = roots.collect();
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        let Some(text) = texts.get(&path) else { continue };
        if !seen.insert(path) {
            continue;
        }
        let named = literals(text);
        let is_named = |path: &&str| {
            let is_folder = |literal: &&&str| literal.starts_with(FOLDER) && path.starts_with(**literal);
            named.contains(path) || named.iter().any(|literal| is_folder(&literal))
        };
        let defining = components_used(text).into_iter().filter_map(|name| components.get(name)).flatten();
        let used: BTreeSet<&str> = left.iter().filter(|path| is_named(path)).chain(defining).copied().collect();
        left.retain(|path| !used.contains(path));
        // Templates outside of the folder may lead back into it.
        let others = named.iter().filter(|path| texts.contains_key(**path));
        waiting.extend(used.iter().chain(others).map(|path| (*path).to_owned()));
    }
    left.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENTRY: &str = "groups/a/cloud-config.yaml";

    fn set(files: &[(&str, &str)]) -> TemplateSet {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        TemplateSet::new(Arc::new(files), [ENTRY.to_owned()], BTreeMap::new(), |_| true)
    }

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let set = set(files);
        assert!(set.engine().is_ok());
        let said = |(path, faults): (&String, &Vec<NodeProblem>)| {
            faults.iter().map(|fault| format!("{path}: {} {}", fault.rule, fault.problem)).collect::<Vec<_>>()
        };
        set.faults().iter().flat_map(said).collect()
    }

    #[test]
    fn every_broken_template_is_told_and_the_others_can_be_used() {
        let files = [
            ("templates/broken", "{{ x | }}"),
            ("templates/filter", "{% include \"templates/broken\" %}{{ hostname | uper }}"),
            ("templates/parent", "{% extends \"templates/gone\" %}"),
            ("templates/fine", "fine"),
            (ENTRY, "{% include \"templates/filter\" %}{% include \"templates/fine\" %}"),
        ];
        let all = faults(&files);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].starts_with("templates/broken: template templates/broken:1:8: "), "{all:?}");
        assert!(all[1].contains("templates/filter:1:47: Unknown filter `uper` (did you mean `upper`?)"), "{all:?}");
        assert!(all[2].contains("templates/parent:1:13: Unknown template `templates/gone`"), "{all:?}");
        let set = set(&files);
        assert_eq!(set.faulty_needs(ENTRY).into_iter().collect::<Vec<_>>(), ["templates/broken", "templates/filter"]);
        assert!(set.faults_of("templates/fine").is_empty() && set.faults_of(META_DATA).is_empty());
    }

    /// Something that a template may say, right or wrong, about any of the others.
    fn piece() -> impl Strategy<Value = String> {
        let other = prop_oneof![Just("templates/a"), Just("templates/b"), Just("templates/c"), Just("templates/gone")];
        let name = prop_oneof![Just("one"), Just("two")];
        prop_oneof![
            other.clone().prop_map(|path| format!("{{% include \"{path}\" %}}")),
            other.prop_map(|path| format!("{{% extends \"{path}\" %}}")),
            name.clone().prop_map(|name| format!("{{% component {name}() %}}x{{% endcomponent {name} %}}")),
            name.clone().prop_map(|name| format!("{{{{ <{name} /> }}}}")),
            name.prop_map(|name| format!("{{% block {name} %}}{{{{ super() }}}}{{% endblock %}}")),
            Just("{{ x | unknown }}".to_owned()),
            Just("{{ x | }}".to_owned()),
            Just("{% if %}".to_owned()),
            Just("{% raw %}".to_owned()),
            Just("text".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn whatever_templates_say_there_is_an_engine_for_those_that_are_right(
            texts in proptest::collection::vec(proptest::collection::vec(piece(), 0..4).prop_map(|all| all.concat()), 4),
        ) {
            let names = ["templates/a", "templates/b", "templates/c", ENTRY];
            let files: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
            let set = set(&files);
            let engine = set.engine();
            prop_assert!(engine.is_ok(), "{engine:?}");
            // What is right by itself, and needs nothing else, is not held back.
            for (path, text) in files {
                if text.is_empty() || text == "text" {
                    prop_assert!(set.faults_of(path).is_empty(), "{path} of {texts:?}");
                }
            }
        }
    }

    #[test]
    fn what_follows_from_a_broken_template_is_not_told_but_keeps_documents_back() {
        let files = [
            ("templates/base", "{% block a %}{% endblock %}{{ broken | }}"),
            ("templates/child", "{% extends \"templates/base\" %}{% block a %}x{% endblock %}"),
            ("templates/parts", "{% component part() %}x{% endcomponent part %}{{ broken | }}"),
            (ENTRY, "{{ <part /> }}"),
        ];
        let all = faults(&files);
        assert_eq!(all.len(), 2, "{all:?}");
        let set = set(&files);
        assert_eq!(set.faults_of("templates/child").len(), 1);
        assert_eq!(set.faults_of(ENTRY).len(), 1);
    }

    #[test]
    fn a_component_that_is_defined_twice_and_one_that_is_not_there_are_told() {
        let component = "{% component part() %}x{% endcomponent part %}";
        let all = faults(&[("templates/a", component), ("templates/b", component), (ENTRY, "{{ <other /> }}")]);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(all[0].contains("Unknown component `other`"), "{all:?}");
        assert!(
            all[1].starts_with("templates/b: template templates/b: Component `part` is defined in both"),
            "{all:?}"
        );
    }

    #[test]
    fn templates_that_need_one_another_are_told_with_their_chain() {
        let all = faults(&[
            ("templates/a", "{% include \"templates/b\" %}"),
            ("templates/b", "x\n {% include \"templates/c\" %}"),
            ("templates/c", "{% include \"templates/a\" %}"),
            ("templates/self", "{% include \"templates/self\" %}"),
            ("templates/layout", "{% include \"templates/page\" %}"),
            ("templates/page", "{% extends \"templates/layout\" %}"),
            (ENTRY, "{% include \"templates/b\" %}"),
        ]);
        let chain = "`templates/a` → `templates/b` → `templates/c` → `templates/a`";
        assert!(
            all[0].starts_with("templates/a: include-cycle templates/a:1:13: ") && all[0].contains(chain),
            "{all:?}"
        );
        assert!(all[1].contains("`templates/layout` → `templates/page` → `templates/layout`"), "{all:?}");
        assert!(all[2].contains("`templates/self` → `templates/self`"), "{all:?}");
        assert_eq!(all.len(), 3, "{all:?}");
    }

    #[test]
    fn a_template_that_nothing_uses_is_found() {
        let files = [
            ("templates/meta-data", "x"),
            ("templates/README.md", "notes"),
            ("templates/included", "{% include \"templates/deeper\" %}"),
            ("templates/deeper", ""),
            ("templates/motd.txt", ""),
            ("templates/os/rhel", ""),
            ("templates/os/sles", ""),
            ("templates/parts", "{% component part() %}x{% endcomponent part %}"),
            ("templates/old", "{% include \"templates/older\" %}"),
            ("templates/older", ""),
            ("templates/commented", ""),
            (
                ENTRY,
                "{% include \"templates/included\" %}{{ file(path=\"templates/motd.txt\") }}{{ <part /> }}\
                 {{ file(path=\"templates/os/\" ~ os) }}{# {% include \"templates/commented\" %} #}",
            ),
        ];
        assert_eq!(set(&files).unused(), ["templates/commented", "templates/old", "templates/older"]);
    }
}
