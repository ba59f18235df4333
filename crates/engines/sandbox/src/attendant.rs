//! What the server does for one environment beside its conversation.

use tokio::task::JoinHandle;

/// A task that ends with its environment; dropping it ends it.
pub(crate) struct Attendant(JoinHandle<()>);

impl Attendant {
    /// Must be called within a Tokio runtime.
    pub(crate) fn begin(work: impl Future<Output = ()> + Send + 'static) -> Attendant {
        Attendant(tokio::spawn(work))
    }

    pub(crate) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.end();
    }
}
