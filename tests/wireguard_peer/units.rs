//! The systemd units of the example site, in a Debian with cloud-init.

use std::process::Command;

use crate::harness::Root;
use crate::harness::scratch::scratch;

/// Puts the units into an overlay over the root, which goes away with its mount namespace, and has systemd look at them
/// and at all that a boot starts.
const SCRIPT: &str = "
    image=$0 root=$1 scratch=$2 more=$3
    mkdir \"$scratch/upper\" \"$scratch/work\" \"$scratch/merged\"
    cd \"$scratch/merged\"
    mount -t overlay overlay -o \"lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work\" .
    cd \"$scratch/merged\"
    mount -t proc proc proc
    mount -t tmpfs tmpfs run
    cp \"$image/wireguard-tunnel\" usr/local/sbin/
    cp \"$image\"/wireguard-tunnel-*.service etc/systemd/system/
    [ -z \"$more\" ] || sed -i \"/^DefaultDependencies=/a $more\" etc/systemd/system/wireguard-tunnel-up.service
    chroot . systemctl enable wireguard-tunnel-up wireguard-tunnel-down
    # As cloud-init's generator does it.
    ln -s /usr/lib/systemd/system/cloud-init.target etc/systemd/system/multi-user.target.wants/
    chroot . systemd-analyze verify wireguard-tunnel-up.service wireguard-tunnel-down.service multi-user.target 2>&1";

/// What systemd says of the units, with one more line in the first. It need not say anything.
///
/// # Panics
/// When it cannot be asked.
pub(crate) fn verify_units(root: &Root, more: &str) -> String {
    let folder = scratch();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", SCRIPT]);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/site/image")).arg(&root.folder).arg(folder.path()).arg(more);
    let output = command.output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
