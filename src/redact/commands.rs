//! Commands of a shell that are given passwords without calling them so.

use std::ops::Range;

/// Words after which the next one is a password, in a line that also has the first.
const FLAGS: [(&str, &str); 4] = [("sshpass", "-p"), ("useradd", "-p"), ("usermod", "-p"), ("ipmitool", "-P")];
/// Words after which the next one is a name and a password, with a colon between them.
const ACCOUNTS: [(&str, &str); 3] = [("curl", "-u"), ("curl", "--user"), ("wget", "--user")];
/// A command that reads a password from another one.
const READER: &str = "passwd --stdin";
/// Commands that write what they are given.
const WRITERS: [&str; 2] = ["echo ", "printf "];

/// The passwords in a line, in any order.
pub(super) fn passwords(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (command, flag) in FLAGS.iter().filter(|(command, _)| line.contains(command)) {
        found.extend(words_after(line, flag).into_iter().filter(|word| {
            // `-p` of a command that comes later in the line may be anything.
            line[..word.start].contains(command)
        }));
    }
    for (_, flag) in ACCOUNTS.iter().filter(|(command, _)| line.contains(command)) {
        for word in words_after(line, flag) {
            if let Some(colon) = line[word.clone()].find(':') {
                found.push(word.start + colon + 1..word.end);
            }
        }
    }
    if let Some(reader) = line.find(READER) {
        let before = &line[..reader];
        let pipe = before.rfind('|').unwrap_or(reader);
        let writer = WRITERS.iter().filter_map(|writer| before[..pipe].rfind(writer).map(|at| at + writer.len())).max();
        found.extend(writer.map(|start| start..start + line[start..pipe].trim_end().len()));
    }
    found
}

/// The words after each place where a flag stands by itself.
fn words_after(line: &str, flag: &str) -> Vec<Range<usize>> {
    let is_break = |character: char| character.is_whitespace() || "\"',[]".contains(character);
    let mut words = Vec::new();
    for (at, _) in line.match_indices(flag) {
        let end = at + flag.len();
        let begins = line[..at].chars().next_back().is_none_or(is_break);
        if begins && line[end..].chars().next().is_some_and(|next| is_break(next) || next == '=') {
            let gap = line[end..].find(|character| !is_break(character) && character != '=').unwrap_or_default();
            let start = end + gap;
            let length = line[start..].find(is_break).unwrap_or(line.len() - start);
            words.push(start..start + length);
        }
    }
    words
}
