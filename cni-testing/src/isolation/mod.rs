//! Away from the machine's network, mounts and state, for this process or one of its threads.

mod folders;
mod namespaces;

pub use folders::{OWN, STATE_FOLDERS, cover};
pub use namespaces::{enter, enter_in_thread};
