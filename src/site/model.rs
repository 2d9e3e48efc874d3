//! The model of a site, and reading it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::SiteReader;
use super::group::{DESCRIPTION_FILE, Group, GroupFile, TEMPLATE_FILE};
use super::node::NodeOverride;
use super::reading::{digest_of, no_settings, read_folders, read_inventory, read_schema};
use super::user_data::UserDataKey;
use crate::settings::{FILE_NAME, SiteSettings, parse_settings};
use crate::types::{Digest, GroupLabel, NodeId, Place, Problem, Problems, did_you_mean, nearest, without_value};

/// The folders of a site, whose every file belongs to it.
pub(crate) const FOLDERS: [&str; 5] = ["groups", "nodes", "user-data", "templates", RULES];
/// The folder of the site's own rules, of which no document is made.
const RULES: &str = "rules";

/// Where a site was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteOrigin {
    /// A folder, as it lay there.
    Folder {
        /// Its path.
        path: PathBuf,
    },
    /// A commit of a repository.
    Repository {
        /// Path or URL, without credentials.
        url: String,
        /// The revision that was asked for.
        revision: String,
        /// The commit it stood for, as 40 hexadecimal digits.
        commit: String,
        /// Where in the repository the site lies; empty for its top.
        subfolder: String,
    },
}

/// A file of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Its path in the site.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A site, read and checked for shape.
#[derive(Clone, Debug)]
pub struct Site {
    /// `mds.toml`.
    pub settings: SiteSettings,
    /// The text of `mds.toml`, for those who show what is wrong in it.
    pub settings_file: Vec<u8>,
    /// `groups/`, by label.
    pub groups: BTreeMap<GroupLabel, Group>,
    /// `nodes/`, by id.
    pub nodes: BTreeMap<NodeId, NodeOverride>,
    /// `user-data/`, by whom a file is for.
    pub user_data: BTreeMap<UserDataKey, SiteFile>,
    /// Every file below the site's folders by its path, for templates to include.
    pub files: Arc<BTreeMap<String, Vec<u8>>>,
    /// Every file below `rules/` by its path: what the site asks of its documents.
    pub rules: BTreeMap<String, Vec<u8>>,
    /// The inventory file, if there is one.
    pub inventory: Option<Vec<u8>>,
    /// The schema that cloud-config is checked by, if the site has its own.
    pub cloud_config_schema: Option<SiteFile>,
    /// Where all this comes from.
    pub origin: SiteOrigin,
    /// The digest of everything that was read.
    pub digest: Digest,
    /// The digest of everything that documents are made of but the inventory.
    pub recipe: Digest,
}

impl Site {
    /// Reads a site.
    ///
    /// # Errors
    /// All problems found: missing `mds.toml`, files that do not parse, unknown keys, illegal labels and ids, links.
    pub fn read(reader: &dyn SiteReader) -> Result<Self, Problems> {
        let (site, problems) = Self::read_in_part(reader)?;
        if problems.is_empty() { Ok(site) } else { Err(Problems(problems)) }
    }

    /// Reads what can be read of a site, and tells what cannot: files that do not parse are left out, and settings that
    /// do not parse are the defaults. It is for those who look for problems; nothing is to be built from it.
    ///
    /// # Errors
    /// When there is no site, or too much of it to go on.
    pub fn read_in_part(reader: &dyn SiteReader) -> Result<(Self, Vec<Problem>), Problems> {
        let mut problems = Vec::new();
        let settings_bytes = reader.read(FILE_NAME)?.ok_or_else(|| no_settings(&reader.origin()))?;
        let settings = text_of(FILE_NAME, settings_bytes.clone())
            .map_err(Problems::from)
            .and_then(|file| parse_settings(FILE_NAME, &file.text))
            .unwrap_or_else(|found| {
                problems.extend(found.0);
                SiteSettings::default()
            });
        let inventory = read_inventory(reader, &settings.inventory.file).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let schema = settings.check.cloud_config_schema.as_deref().map(|path| read_schema(reader, path));
        let cloud_config_schema = schema.transpose().unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let mut files = read_folders(reader, &mut problems)?;
        let schema = cloud_config_schema.as_ref();
        let digest = digest_of(&settings_bytes, inventory.as_deref(), schema, &files);
        let recipe = digest_of(&settings_bytes, None, schema, &files);
        let is_rule = |path: &String| path.strip_prefix(RULES).is_some_and(|rest| rest.starts_with('/'));
        let rules = files.extract_if(.., |path, _| is_rule(path)).collect();
        let mut collect = Collector { files: &files, problems: &mut problems };
        let groups = collect.groups();
        let nodes = collect.nodes();
        let user_data = collect.user_data();
        let site = Self {
            settings,
            settings_file: settings_bytes,
            groups,
            nodes,
            user_data,
            files: Arc::new(files),
            rules,
            inventory,
            cloud_config_schema,
            origin: reader.origin(),
            digest,
            recipe,
        };
        Ok((site, problems))
    }
}

/// The text of a file.
pub(super) fn text_of(path: &str, bytes: Vec<u8>) -> Result<SiteFile, Problem> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SiteFile { path: path.to_owned(), text }),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            Err(Problem::at(Place::of_offset(path, &before, valid), "the text is not UTF-8 from here on"))
        }
    }
}

/// Turns files into the parts of the model and gathers what is wrong with them.
struct Collector<'a> {
    files: &'a BTreeMap<String, Vec<u8>>,
    problems: &'a mut Vec<Problem>,
}

impl Collector<'_> {
    fn report(&mut self, path: &str, message: impl Into<String>, hint: Option<&str>) {
        let hint = hint.map(str::to_owned);
        self.problems.push(Problem { place: Some(Place::file(path)), message: message.into(), hint });
    }

    fn text(&mut self, path: &str) -> Option<SiteFile> {
        let bytes = self.files.get(path)?.clone();
        text_of(path, bytes).map_err(|problem| self.problems.push(problem)).ok()
    }

    fn yaml<T: DeserializeOwned + Default>(&mut self, path: &str) -> Option<T> {
        let file = self.text(path)?;
        // An empty file, or one of comments only, means the defaults.
        match serde_yaml::from_str::<Option<T>>(&file.text) {
            Ok(value) => Some(value.unwrap_or_default()),
            Err(error) => {
                self.problems.push(yaml_problem(path, &error));
                None
            }
        }
    }

    fn groups(&mut self) -> BTreeMap<GroupLabel, Group> {
        let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in self.files.keys().filter_map(|path| path.strip_prefix("groups/")) {
            match path.split_once('/') {
                Some((label, file)) => labels.entry(label).or_default().push(file),
                None => self.stray_group_file(path),
            }
        }
        let mut groups = BTreeMap::new();
        for (label, files) in labels {
            match GroupLabel::parse(label) {
                Err(error) => self.report(&format!("groups/{label}"), error.0, Some("rename the folder")),
                Ok(label) => {
                    let group = self.group(label, &files);
                    groups.extend(group.map(|group| (group.label.clone(), group)));
                }
            }
        }
        groups
    }

    fn stray_group_file(&mut self, name: &str) {
        if let Some(label) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) {
            let hint = format!("move it to groups/{label}/{TEMPLATE_FILE}");
            self.report(&format!("groups/{name}"), "a group is a folder, and this is a file", Some(&hint));
        }
    }

    fn group(&mut self, label: GroupLabel, files: &[&str]) -> Option<Group> {
        for file in files {
            // A near miss would silently leave a group without its template.
            let misspelt = !matches!(*file, DESCRIPTION_FILE | TEMPLATE_FILE)
                && (file.ends_with(".yaml") || file.ends_with(".yml"))
                && nearest(file, [DESCRIPTION_FILE, TEMPLATE_FILE]).is_some_and(|meant| !files.contains(&meant));
            if misspelt {
                let hint = format!("a group's files are {DESCRIPTION_FILE} and {TEMPLATE_FILE}");
                self.report(&format!("groups/{label}/{file}"), "this file looks like a misspelt name", Some(&hint));
            }
        }
        let description: GroupFile = match files.contains(&DESCRIPTION_FILE) {
            true => self.yaml(&format!("groups/{label}/{DESCRIPTION_FILE}"))?,
            false => GroupFile::default(),
        };
        let template = match files.contains(&TEMPLATE_FILE) {
            true => Some(self.text(&format!("groups/{label}/{TEMPLATE_FILE}"))?),
            false => None,
        };
        Some(description.into_group(label, template))
    }

    fn nodes(&mut self) -> BTreeMap<NodeId, NodeOverride> {
        let mut nodes = BTreeMap::new();
        for (path, name) in self.files_of("nodes") {
            let Some(stem) = name.strip_suffix(".yaml") else {
                self.report(&path, "a node's file is named nodes/<id>.yaml", None);
                continue;
            };
            match NodeId::parse(stem) {
                Err(error) => self.report(&path, error.0, Some("rename the file")),
                Ok(id) => {
                    let Some(node) = self.yaml::<NodeOverride>(&path) else { continue };
                    for fault in node.faults() {
                        self.report(&path, fault, None);
                    }
                    nodes.insert(id, node);
                }
            }
        }
        nodes
    }

    fn user_data(&mut self) -> BTreeMap<UserDataKey, SiteFile> {
        let mut found: BTreeMap<UserDataKey, SiteFile> = BTreeMap::new();
        for (path, name) in self.files_of("user-data") {
            match UserDataKey::parse(name.strip_suffix(".yaml").unwrap_or(&name)) {
                Err(_) => {
                    let message = "the name of this file is neither `default` nor a MAC address nor a node id";
                    self.report(&path, message, Some("rename the file"));
                }
                Ok(key) => {
                    if let Some(other) = found.get(&key) {
                        let message = format!("`{}` is for the same node", other.path);
                        self.report(&path, message, Some("keep one of the two files"));
                    } else if let Some(file) = self.text(&path) {
                        found.insert(key, file);
                    }
                }
            }
        }
        found
    }

    /// The files directly in a folder, with path and name. Those in folders below it are reported: they would reach no
    /// node.
    fn files_of(&mut self, folder: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for path in self.files.keys() {
            let Some(name) = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else { continue };
            match name.rsplit_once('/') {
                None => found.push((path.clone(), name.to_owned())),
                Some((_, last)) => {
                    let message = format!("a file in a folder below {folder}/ is not read");
                    let problem = Problem::at(Place::file(path.clone()), message);
                    self.problems.push(problem.with_hint(format!("move it to {folder}/{last}")));
                }
            }
        }
        found
    }
}

/// What is wrong with a YAML file, without the value that is.
pub(crate) fn yaml_problem(path: &str, error: &serde_yaml::Error) -> Problem {
    let text = error.to_string();
    // The parser ends its messages with the place, which is told apart here.
    let message = without_value(text.split(" at line ").next().unwrap_or(&text));
    let place = match error.location() {
        Some(location) => Place::at(path, location.line(), location.column()),
        None => Place::file(path),
    };
    let hint = did_you_mean(&message);
    Problem { place: Some(place), message, hint }
}

#[cfg(test)]
mod tests {
    use super::super::FolderReader;
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Site, Problems> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let full = folder.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        Site::read(&FolderReader::new(folder.path()).unwrap())
    }

    fn problem(files: &[(&str, &str)]) -> String {
        let mut all = vec![("mds.toml", "")];
        all.extend_from_slice(files);
        read(&all).unwrap_err().to_string()
    }

    #[test]
    fn a_group_keeps_any_json_in_its_meta() {
        let site = read(&[
            ("mds.toml", ""),
            ("groups/compute/group.yaml", "description: Compute\nmeta:\n  nested: {list: [1, two, null]}\n"),
            ("groups/empty/notes.txt", ""),
            ("groups/compute/cloud-config.yaml", ""),
            ("groups/compute/cloud-config2.yaml", "for an include"),
        ])
        .unwrap();
        let compute = &site.groups[&GroupLabel::parse("compute").unwrap()];
        assert_eq!(compute.meta["nested"], serde_json::json!({"list": [1, "two", null]}));
        assert_eq!(compute.template.as_ref().unwrap().text, "");
        assert!(site.groups.contains_key(&GroupLabel::parse("empty").unwrap()));
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_places() {
        let text = problem(&[
            ("groups/bad label/cloud-config.yaml", ""),
            ("groups/compute/group.yaml", "descripton: x\n"),
            ("groups/green/cloud-confg.yaml", ""),
            ("groups/blue.yaml", ""),
            ("nodes/x1.yaml", "instance_id: [\n"),
            ("nodes/-x.yaml", ""),
            ("nodes/nodes/x2.yaml", ""),
            ("user-data/default", ""),
            ("user-data/default.yaml", ""),
            ("user-data/sub/x.yaml", ""),
            ("user-data/a b.yaml", ""),
            ("user-data/B4:2E:99:BE:1A:6D.yaml", ""),
            ("user-data/b4-2e-99-be-1a-6d.yaml", ""),
        ]);
        for expected in [
            "groups/bad label: `bad label` is not a group label",
            "groups/compute/group.yaml:1:1: unknown field `descripton`",
            "did you mean `description`?",
            "groups/green/cloud-confg.yaml: this file looks like a misspelt name",
            "groups/blue.yaml: a group is a folder",
            "nodes/x1.yaml:1:14: ",
            "nodes/-x.yaml: ",
            "user-data/default.yaml: `user-data/default` is for the same node",
            "nodes/nodes/x2.yaml: a file in a folder below nodes/ is not read",
            "move it to nodes/x2.yaml",
            "user-data/sub/x.yaml: a file in a folder below user-data/ is not read",
            "user-data/a b.yaml: the name of this file is neither",
            "user-data/b4-2e-99-be-1a-6d.yaml: `user-data/B4:2E:99:BE:1A:6D.yaml` is for the same node",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
        }
    }

    #[test]
    fn a_folder_without_settings_is_not_a_site() {
        let text = read(&[("groups/a/cloud-config.yaml", "")]).unwrap_err().to_string();
        assert!(text.contains("has no mds.toml"), "{text}");
    }

    #[test]
    fn an_inventory_outside_the_site_is_refused() {
        let text = read(&[("mds.toml", "[inventory]\nfile = \"../../etc/shadow\"\n")]).unwrap_err().to_string();
        assert!(text.contains("does not lie in the site"), "{text}");
    }

    #[test]
    fn a_schema_of_cloud_config_that_is_named_is_read_and_lies_in_the_site() {
        let naming = |path: &str| format!("[check]\ncloud_config_schema = \"{path}\"\n");
        let site = read(&[("mds.toml", &naming("schemas/node.json")), ("schemas/node.json", "{}")]).unwrap();
        let file = SiteFile { path: "schemas/node.json".to_owned(), text: "{}".to_owned() };
        assert_eq!(site.cloud_config_schema, Some(file));
        let changed = read(&[("mds.toml", &naming("schemas/node.json")), ("schemas/node.json", "{ }")]).unwrap();
        assert!(site.digest != changed.digest && site.recipe != changed.recipe);
        for path in ["", "/etc/shadow", "../x", "a/../b", "./a"] {
            let text = read(&[("mds.toml", &naming(path))]).unwrap_err().to_string();
            assert!(text.contains("does not lie in the site"), "{text}");
        }
        let text = read(&[("mds.toml", &naming("schemas/nod.json"))]).unwrap_err().to_string();
        assert!(
            text.starts_with("mds.toml: [check] cloud_config_schema = \"schemas/nod.json\" is not there"),
            "{text}"
        );
    }

    #[test]
    fn the_digest_follows_every_file() {
        let one = read(&[("mds.toml", ""), ("templates/a", "x")]).unwrap();
        let other = read(&[("mds.toml", ""), ("templates/a", "y")]).unwrap();
        let moved = read(&[("mds.toml", ""), ("templates/b", "x")]).unwrap();
        assert!(one.digest != other.digest && one.digest != moved.digest);
        assert_eq!(one.digest, read(&[("mds.toml", ""), ("templates/a", "x")]).unwrap().digest);
    }
}
