//! kobel-fabric
