//! Pulling the inventory once, for a command that ends.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mds::inventory::smd::{SmdClient, SmdError};
use mds::inventory::{LeftOut, Pull};
use mds::pipeline::{InventoryInput, Observer, Phase, SiteInput};
use mds::settings::{FILE_NAME, SmdSettings};
use mds::types::Problem;

use super::arguments::{InventorySource, SiteArguments, read_site_settings, settings_of};
use super::error::CliError;
use super::output::{counted, grouped};
use super::progress::Progress;

/// The inventory that the arguments and the site name; pulled, if SMD has it.
pub(crate) fn inventory(
    arguments: &SiteArguments,
    site: &SiteInput,
    progress: &mut Progress,
) -> Result<InventoryInput, CliError> {
    match arguments.inventory_source(&settings_of(site).inventory, FILE_NAME)? {
        InventorySource::Ready(input) => Ok(input),
        InventorySource::Smd(settings) => {
            // Whoever reads the whole site says what is wrong with it, and needs no inventory for that.
            if read_site_settings(site).is_err() {
                return Ok(InventoryInput::Site);
            }
            progress.begin(Phase::Pulling);
            Ok(InventoryInput::Pulled(Arc::new(pull(&settings)?)))
        }
    }
}

/// The day that it is, in UTC.
pub(crate) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Pulls from SMD.
pub(crate) fn pull(settings: &SmdSettings) -> Result<Pull, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failure(format!("no connection can be prepared: {error}")))?;
    let client = SmdClient::new(settings);
    runtime.block_on(client.pull()).map_err(|error| failure(&error, settings).into())
}

/// Why there is no inventory, with where SMD is and who said so.
pub(crate) fn failure(error: &SmdError, settings: &SmdSettings) -> Problem {
    let url = &settings.url;
    Problem::new(error.to_string()).with_hint(format!("SMD is looked for at {} (from {})", url.value, url.source))
}

/// What was left out, if anything was.
pub(crate) fn left_out_text(left_out: &LeftOut) -> Option<String> {
    let parts = [
        (counted(left_out.components, "component"), " of other kinds", left_out.components),
        (counted(left_out.hardware_interfaces, "interface"), " of BMCs and the like", left_out.hardware_interfaces),
        (counted(left_out.orphan_interfaces, "interface"), " of nodes that are not listed", left_out.orphan_interfaces),
        (counted(left_out.unattributed_interfaces, "interface"), " of nothing", left_out.unattributed_interfaces),
        (grouped(left_out.empty_addresses), " addresses without text", left_out.empty_addresses),
    ];
    let said: Vec<String> =
        parts.into_iter().filter(|(.., count)| *count > 0).map(|(number, what, _)| number + what).collect();
    (!said.is_empty()).then(|| said.join(", "))
}
