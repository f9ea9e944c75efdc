//! Network sysctls of the calling thread's namespace.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::files::failed;
use crate::seam::{Operation, World};

/// A network sysctl: a file below `/proc/sys/net`.
///
/// It belongs to the network namespace of the thread that reads or writes it. For a container's sysctl, do that in
/// [`Netns::run`](crate::Netns::run). Names are path components, so an interface name can contain a dot.
///
/// ```
/// use cni_skel::Sysctl;
///
/// let accept_ra = Sysctl::ipv6("eth0.100", "accept_ra")?;
/// assert_eq!(accept_ra.path().to_str(), Some("/proc/sys/net/ipv6/conf/eth0.100/accept_ra"));
/// assert!(Sysctl::ipv6("../all", "accept_ra").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    path: PathBuf,
}

impl Sysctl {
    /// Names an IPv4 setting of an interface: `net/ipv4/conf/<ifname>/<key>`. `ifname` can be `all` or `default`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if a name is not a single path component.
    pub fn ipv4(ifname: &str, key: &str) -> io::Result<Self> {
        Self::at(&["ipv4", "conf", ifname, key])
    }

    /// Names an IPv6 setting of an interface: `net/ipv6/conf/<ifname>/<key>`. `ifname` can be `all` or `default`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if a name is not a single path component.
    pub fn ipv6(ifname: &str, key: &str) -> io::Result<Self> {
        Self::at(&["ipv6", "conf", ifname, key])
    }

    /// Names any setting by its path components below `/proc/sys/net`: `["ipv4", "ip_forward"]`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if there is no component, or one is not a single path component.
    pub fn at(components: &[&str]) -> io::Result<Self> {
        let single = |c: &&str| !matches!(*c, "" | "." | "..") && !c.contains(['/', '\0']);
        if components.is_empty() || !components.iter().all(single) {
            let message = format!("{} does not name a sysctl", components.join("/"));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let mut path = PathBuf::from("/proc/sys/net");
        path.extend(components);
        Ok(Self { path })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the value, without the line end. Returns `None` if the kernel does not have the setting, for example because it
    /// has no IPv6.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn read(&self) -> io::Result<Option<String>> {
        let world = World::current();
        let text = world.carry_out(&Operation::ReadSysctl(&self.path), || match &world.kernel {
            Some(kernel) => kernel.read_sysctl(&self.path),
            None => fs::read_to_string(&self.path),
        });
        match text {
            Ok(mut text) => {
                text.truncate(text.trim_end().len());
                Ok(Some(text))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &self.path, e)),
        }
    }

    /// Writes the value. Returns `false` if the kernel does not have the setting, for example because it has no IPv6.
    ///
    /// # Errors
    /// The file exists but cannot be written, or the kernel refuses the value.
    pub fn write(&self, value: &str) -> io::Result<bool> {
        let world = World::current();
        let written = world.carry_out(&Operation::WriteSysctl(&self.path), || match &world.kernel {
            Some(kernel) => kernel.write_sysctl(&self.path, value),
            None => fs::OpenOptions::new().write(true).open(&self.path)?.write_all(value.as_bytes()),
        });
        match written {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("write", &self.path, e)),
        }
    }
}
