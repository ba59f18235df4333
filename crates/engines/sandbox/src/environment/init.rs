//! The init phase: external extensions register, the runtime comes up, and each extension asks for its first event.

use std::time::Duration;

use super::{End, Inner, Purpose, Work};
use crate::driver::Ended;
use crate::error::StartError;
use crate::extensions::Failure;
use crate::extensions::ShutdownReason::{Failure as Failed, Timeout};
use crate::session::Init;

impl Inner {
    /// Lets the extensions and the runtime come up, within `timeout`; ends what does not.
    pub(super) async fn run_init(&self, timeout: Duration, purpose: Purpose) -> Result<(), StartError> {
        let mut work = self.work.lock().await;
        let Work { session, pump } = &mut *work;
        let init = async {
            if let Err(error) = self.extensions.start_runtime().await {
                return Init::Broken(format!("it could not be started: {error}"));
            }
            let init = session.init().await;
            if matches!(init, Init::Done) {
                self.extensions.runtime_initialised(None);
                self.extensions.initialised().await;
            }
            init
        };
        let end = self.watch(init, pump, timeout).await;
        let result = match end {
            End::Said(Init::Done) if purpose == Purpose::Events => Ok(()),
            End::Said(Init::Template(None)) if purpose == Purpose::Template && self.extensions.are_there() => {
                Err(StartError::Unforkable { reason: "it has extensions".to_owned() })
            }
            End::Said(Init::Template(None)) if purpose == Purpose::Template => Ok(()),
            End::Said(Init::Template(Some(reason))) if purpose == Purpose::Template => {
                Err(StartError::Unforkable { reason })
            }
            End::Said(Init::Done | Init::Template(_)) => {
                Err(StartError::Protocol { reason: "the end of another init".to_owned() })
            }
            End::Said(Init::Failed { error_type, body }) => Err(StartError::Reported { error_type, body }),
            End::Said(Init::Broken(reason)) => Err(StartError::Protocol { reason }),
            End::Said(Init::Closed) => Err(init_death(self.leave().await)),
            End::Died(ended) => Err(init_death(ended)),
            End::OutOfMemory => Err(StartError::OutOfMemory),
            End::Timeout => Err(StartError::Timeout { after: timeout }),
            End::Extension(Failure { error_type, message }) => Err(StartError::Extension { error_type, message }),
        };
        if let Err(error) = &result
            && !matches!(error, StartError::Extension { .. })
        {
            self.extensions.runtime_initialised(Some(error.error_type()));
        }
        self.extensions.tell_states();
        self.extensions.telemetry.close();
        if result.is_err() {
            let reason = if matches!(result, Err(StartError::Timeout { .. })) { Timeout } else { Failed };
            self.shut_down(pump, reason).await;
            self.kill().await;
        }
        pump.drain();
        result
    }
}

fn init_death(ended: Ended) -> StartError {
    if ended.out_of_memory { StartError::OutOfMemory } else { StartError::Exited { exit: ended.exit } }
}
