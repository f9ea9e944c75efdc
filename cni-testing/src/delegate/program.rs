//! Scripted delegates as programs, for a subject that is a binary.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cni_skel::Env;
use tempfile::TempDir;

use super::DelegateReply;
use crate::call::Played;

/// A delegate as a shell script. Beside it lies a folder with the replies, `<n>.stdout`, `<n>.command` and so on; what
/// it was called with is put there too. It needs no PATH, since a plugin may be started without one.
const PROGRAM: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
folder="$0.script"
n=1
while ! mkdir "$folder/$n" 2>/dev/null; do n=$((n + 1)); done
env -0 >"$folder/$n/env"
cat >"$folder/$n/stdin"
if [ ! -e "$folder/$n.command" ] || [ "$(cat "$folder/$n.command")" != "$CNI_COMMAND" ]; then
    echo '{"code": 999, "msg": "the test does not expect this call"}'
    exit 1
fi
[ ! -e "$folder/$n.hangs" ] || exec sleep 3600
cat "$folder/$n.stdout"
exit "$(cat "$folder/$n.exit")"
"#;

/// Programs in a folder of their own, removed with it.
pub(crate) struct ScriptedPrograms {
    folder: TempDir,
    names: Vec<String>,
}

impl ScriptedPrograms {
    pub(crate) fn install(replies: &BTreeMap<String, Vec<DelegateReply>>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        for (name, replies) in replies {
            let program = folder.path().join(name);
            fs::write(&program, PROGRAM)?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
            let script = folder.path().join(format!("{name}.script"));
            fs::create_dir(&script)?;
            for (n, reply) in (1..).zip(replies) {
                fs::write(script.join(format!("{n}.command")), reply.command.as_str())?;
                fs::write(script.join(format!("{n}.stdout")), &reply.stdout)?;
                fs::write(script.join(format!("{n}.exit")), reply.exit_code.to_string())?;
                if reply.hangs {
                    fs::write(script.join(format!("{n}.hangs")), "")?;
                }
            }
        }
        Ok(Self { folder, names: replies.keys().cloned().collect() })
    }

    /// The environment with these programs in front of all others.
    pub(crate) fn on_path(&self, env: &Env) -> Env {
        let mut path = OsString::from(self.folder.path());
        if let Some(rest) = env.get("CNI_PATH") {
            path.push(":");
            path.push(rest);
        }
        env.clone().with("CNI_PATH", path)
    }

    /// Brings what the programs have seen into the record, as if they had been called in process.
    pub(crate) fn collect(&self, played: &mut Played) {
        for name in &self.names {
            let script = self.folder.path().join(format!("{name}.script"));
            for n in 1.. {
                let Ok((env, stdin)) = read_call(&script.join(n.to_string())) else { break };
                let command = played.record(name, &env, &stdin);
                played.next_reply(name, &command);
            }
        }
    }
}

fn read_call(folder: &Path) -> io::Result<(Env, Vec<u8>)> {
    use std::os::unix::ffi::OsStringExt;

    let env = fs::read(folder.join("env"))?;
    let variables = env.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        let part = |bytes: &[u8]| OsString::from_vec(bytes.to_owned());
        Some((part(&entry[..at]), part(&entry[at + 1..])))
    });
    Ok((variables.collect(), fs::read(folder.join("stdin"))?))
}
