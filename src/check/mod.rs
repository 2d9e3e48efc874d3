//! Findings: what is wrong or odd with a site and its inventory, by rule, with the nodes concerned, and reports of them.
//!
//! Nothing here stops at the first finding. A finding of severity error keeps a release from being published.

mod base_url;
mod catalogue;
mod client;
mod cloud_config;
mod conflicts;
mod document;
mod finding;
#[cfg(test)]
mod fixture;
mod header;
mod identity;
mod include_url;
mod inspector;
mod inventory;
mod kept;
mod locate;
mod merging;
mod network_config;
mod plain_word;
mod remark;
mod report;
mod rulebook;
mod rules;
mod secrets;
mod site_rules;
mod size;
mod tunnels;
mod unused;
mod values;
mod waivers;
mod yaml;

pub use catalogue::{AnyRule, RULES, Rule};
pub use client::{ClientView, client_view};
pub use cloud_config::{CloudConfigSchema, Step, Violation, ViolationKind};
pub use conflicts::conflicts;
pub use finding::{Finding, Severity, Summary};
pub use inspector::document_inspector;
pub use inventory::{inventory, old_lock, remarked};
pub use merging::{LeftOut, Lost, MergedKey, Merging, merged_config, merging};
pub use report::{
    ReportFormat, ReportSubject, Sources, Style, changes_text, report, styled_report, styled_text_report, text_report,
};
pub use rulebook::Rulebook;
pub use rules::{rule, rules_run, severity_faults, unreadable, with_severities};
pub use secrets::secrets_in_meta;
pub use site_rules::site_rule_ids;
pub use tunnels::{TunnelOutline, tunnels};
pub use unused::unused;
pub use values::values;
pub use waivers::{Waived, Waivers, Weighed, waiver_faults};
