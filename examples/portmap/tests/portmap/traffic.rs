//! Packets: who reaches whom, and who looks like whom.
