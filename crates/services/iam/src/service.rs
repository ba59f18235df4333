use std::sync::Arc;

use cell::{Cell, Family};
use fabric::Fabric;
use wire::{Call, Error};

use crate::account::Account;
use crate::{operations, resources, sts};

pub struct Iam {
    pub(crate) fabric: Fabric,
    accounts: Family<Account>,
}

impl Iam {
    pub fn open(fabric: Fabric) -> Arc<Iam> {
        let accounts = Family::new(&fabric.cells, "iam/");
        Arc::new(Iam { fabric, accounts })
    }

    /// Hangs both services in.
    pub fn plug(self: &Arc<Self>) {
        self.fabric.plugs.add_api(operations::api(self.clone()));
        self.fabric.plugs.add_api(sts::api(self.clone()));
        self.fabric.plugs.add_provider(Arc::new(resources::Provider::new(self.clone())));
    }

    /// The entities of the caller's account.
    pub(crate) async fn account(&self, call: &Call) -> Result<Cell<Account>, Error> {
        self.account_of(call.scope.account.as_str()).await
    }

    pub(crate) async fn account_of(&self, account: &str) -> Result<Cell<Account>, Error> {
        self.accounts.get(account).await.map_err(Error::internal)
    }
}
