//! Claims: who computes a cell. A file that is made only if it is not there, kept fresh while its owner works, and void once it is stale.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Store;
use crate::error::EvalError;

/// How often an owner shows that it is alive.
const BEAT: Duration = Duration::from_secs(20);
/// A claim that was not renewed for so long is void: a host that stands still for longer computes what others have.
const STALE: Duration = Duration::from_mins(5);

/// Who claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// The cell is the caller's until this is dropped.
    Mine(Claim),
    /// Somebody else computes it.
    Taken(Option<Owner>),
}

/// A cell that is being computed. Dropping it gives the cell free.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    stop: Option<Sender<()>>,
    beating: Option<JoinHandle<()>>,
}

impl Store {
    /// Claims a cell. A claim of a process of this host that is no more, or that was not renewed, is taken over.
    pub fn claim(&self, key: &str, owner: &Owner) -> Result<Claimed, EvalError> {
        let folder = self.root.join("claims");
        let path = folder.join(format!("{key}.json"));
        let failed = |e: std::io::Error| EvalError::Write { path: path.clone(), reason: e.to_string() };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // The second turn is for a claim that was void.
        for _ in 0..2 {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Claim::begin(path.clone(), file, owner).map(Claimed::Mine).map_err(failed),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed(e)),
            }
            let Some(age) = age(&path, &folder) else { continue };
            let holder: Option<Owner> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let dead = holder.as_ref().is_some_and(|h| h.host == owner.host && !alive(h.pid));
            if !dead && age < STALE {
                return Ok(Claimed::Taken(holder));
            }
            // Of two that find it void one moves it away. The other, if late, moves a fresh claim: the cell is then computed twice, to the same
            // record.
            let aside = folder.join(format!(".void-{key}-{}-{}", owner.host, owner.pid));
            tracing::debug!(key, ?holder, ?age, "a void claim is taken over");
            if std::fs::rename(&path, &aside).is_ok() {
                let _ = std::fs::remove_file(&aside);
            }
        }
        Ok(Claimed::Taken(None))
    }

    /// Who computes a cell at the moment; none if nobody does.
    pub fn claimed_by(&self, key: &str, host: &str) -> Option<Owner> {
        let folder = self.root.join("claims");
        let path = folder.join(format!("{key}.json"));
        let holder: Owner = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        let fresh = std::fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|at| since(at) < STALE);
        let dead = holder.host == host && !alive(holder.pid);
        (fresh && !dead).then_some(holder)
    }
}

impl Claim {
    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn begin(path: PathBuf, mut file: File, owner: &Owner) -> std::io::Result<Self> {
        file.write_all(&serde_json::to_vec(owner)?)?;
        let (stop, stopped) = channel::<()>();
        let beaten = path.clone();
        let beating = std::thread::Builder::new().name("claim".into()).spawn(move || {
            while stopped.recv_timeout(BEAT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // Opened anew: a claim that was moved away must not be renewed under its old handle.
                if let Ok(file) = OpenOptions::new().write(true).open(&beaten) {
                    let _ = file.set_modified(SystemTime::now());
                }
            }
        })?;
        Ok(Self { path, stop: Some(stop), beating: Some(beating) })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beating) = self.beating.take() {
            let _ = beating.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How long ago a file was renewed, by the clock of its file system; none if it is gone.
fn age(path: &Path, folder: &Path) -> Option<Duration> {
    let renewed = std::fs::metadata(path).and_then(|m| m.modified()).ok()?;
    // A file made now has the same clock; where none can be made, this host's own must do.
    let probe = tempfile::tempfile_in(folder).and_then(|file| file.metadata()).and_then(|m| m.modified());
    Some(match probe {
        Ok(now) => now.duration_since(renewed).unwrap_or_default(),
        Err(_) => since(renewed),
    })
}

fn since(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

/// Whether a process of this host runs, as far as can be told.
fn alive(pid: u32) -> bool {
    let all = Path::new("/proc");
    !all.join("self").exists() || all.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::{Claimed, Owner, STALE};
    use crate::store::Store;

    fn owner(pid: u32) -> Owner {
        Owner { host: "here".into(), pid }
    }

    #[test]
    fn a_cell_is_one_owners_until_it_is_given_free() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let me = owner(std::process::id());
        let Claimed::Mine(claim) = store.claim("k", &me).unwrap() else { panic!("nobody has it") };
        assert!(matches!(store.claim("k", &me).unwrap(), Claimed::Taken(Some(holder)) if holder == me));
        assert_eq!(store.claimed_by("k", "here"), Some(me.clone()));
        assert!(matches!(store.claim("other", &me).unwrap(), Claimed::Mine(_)));
        drop(claim);
        assert_eq!(store.claimed_by("k", "here"), None);
        assert!(matches!(store.claim("k", &me).unwrap(), Claimed::Mine(_)));
    }

    #[test]
    fn a_claim_of_the_dead_and_one_that_is_stale_are_void() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let path = folder.path().join("claims/k.json");
        let claim = |owner: &Owner| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, serde_json::to_vec(owner).unwrap()).unwrap();
        };
        let me = owner(std::process::id());
        // No process has this number.
        claim(&owner(u32::MAX));
        if std::path::Path::new("/proc/self").exists() {
            assert!(matches!(store.claim("k", &me).unwrap(), Claimed::Mine(_)));
        }
        // Another host's process cannot be asked; its claim's age can.
        let elsewhere = Owner { host: "elsewhere".into(), pid: u32::MAX };
        claim(&elsewhere);
        assert!(matches!(store.claim("k", &me).unwrap(), Claimed::Taken(Some(holder)) if holder == elsewhere));
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * STALE).unwrap();
        assert_eq!(store.claimed_by("k", "here"), None);
        assert!(matches!(store.claim("k", &me).unwrap(), Claimed::Mine(_)));
    }

    #[test]
    fn of_many_that_claim_at_once_one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let claims: Vec<Claimed> = std::thread::scope(|scope| {
            let claim = |i: u32| {
                let store = &store;
                scope.spawn(move || store.claim("k", &Owner { host: format!("host {i}"), pid: 1 }).unwrap())
            };
            (0..8).map(claim).collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(claims.iter().filter(|c| matches!(c, Claimed::Mine(_))).count(), 1);
    }
}
