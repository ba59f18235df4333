use std::collections::BTreeMap;

use base::{Entropy, Timestamp};
use cell::{Rows, State};
use serde::{Deserialize, Serialize};
use wire::Error;

use crate::error;

/// A role, as its row has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    pub trust_policy: String,
    pub description: Option<String>,
    pub max_session_s: i32,
    pub permissions_boundary: Option<String>,
    /// Documents by name.
    #[serde(default)]
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub attached: Vec<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A customer managed policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub document: String,
    pub description: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The entities of an account.
#[derive(Debug, Default)]
pub struct Account {
    pub roles: BTreeMap<String, Role>,
    /// By ARN.
    pub policies: BTreeMap<String, Policy>,
}

impl State for Account {
    fn load(rows: &Rows) -> Result<Account, String> {
        let mut account = Account::default();
        for (_, row) in rows.under("role/") {
            let role: Role = cell::json::read(row)?;
            account.roles.insert(role.name.clone(), role);
        }
        for (_, row) in rows.under("policy/") {
            let policy: Policy = cell::json::read(row)?;
            account.policies.insert(policy.arn.clone(), policy);
        }
        Ok(account)
    }
}

impl Account {
    pub fn role(&self, name: &str) -> Result<&Role, Error> {
        self.roles.get(name).ok_or_else(|| error::no_role(name))
    }

    /// Stores a role, new or changed.
    pub fn put_role(&mut self, tx: &mut cell::Tx<'_>, role: Role) {
        cell::json::put(tx, format!("role/{}", role.name), &role);
        self.roles.insert(role.name.clone(), role);
    }

    pub fn remove_role(&mut self, tx: &mut cell::Tx<'_>, name: &str) {
        tx.delete(format!("role/{name}"));
        self.roles.remove(name);
    }

    pub fn put_policy(&mut self, tx: &mut cell::Tx<'_>, policy: Policy) {
        cell::json::put(tx, format!("policy/{}", policy.name), &policy);
        self.policies.insert(policy.arn.clone(), policy);
    }

    pub fn remove_policy(&mut self, tx: &mut cell::Tx<'_>, arn: &str) {
        if let Some(policy) = self.policies.remove(arn) {
            tx.delete(format!("policy/{}", policy.name));
        }
    }

    /// To how many roles a policy is attached.
    pub fn attachments(&self, arn: &str) -> usize {
        self.roles.values().filter(|role| role.attached.iter().any(|attached| attached == arn)).count()
    }
}

/// A unique id: `AROA…` for a role, `ANPA…` for a managed policy.
pub fn unique_id(entropy: &Entropy, prefix: &str) -> String {
    format!("{prefix}{}", entropy.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 17))
}

/// A policy document is a JSON object.
pub fn check_document(document: &str) -> Result<(), Error> {
    match serde_json::from_str(document) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        _ => Err(error::malformed_document()),
    }
}
