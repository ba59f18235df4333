//! The boundary of the namespaces driver.
