use fabric::{Fabric, ResourceContext};
use wire::schema::Protocol;
use wire::{Call, Error, Operation, Shaped};

/// Calls the service's operations on behalf of a stack, with their inputs validated like anybody's.
pub(super) struct Caller<'a> {
    fabric: &'a Fabric,
    pub(super) context: &'a ResourceContext,
}

impl<'a> Caller<'a> {
    pub(super) fn new(fabric: &'a Fabric, context: &'a ResourceContext) -> Caller<'a> {
        Caller { fabric, context }
    }

    /// Validates the input of an operation, and gives the call that it is to be made with.
    pub(super) fn check<O: Operation>(&self, input: &O::Input) -> Result<Call, Error>
    where
        O::Input: Clone,
    {
        let api = self.fabric.plugs.api("lambda").ok_or_else(|| Error::not_implemented("lambda", O::SCHEMA.name))?;
        wire::validate(api.service(), Protocol::RestJson, O::SCHEMA.input, &input.clone().into_fields())?;
        let mut call = self.fabric.call_from("cloudformation", self.context.scope.clone(), self.context.trace.clone());
        call.origin.clone_from(&self.context.origin);
        Ok(call)
    }

    pub(super) async fn call<O: Operation>(&self, input: O::Input) -> Result<O::Output, Error> {
        let api = self.fabric.plugs.api("lambda").ok_or_else(|| Error::not_implemented("lambda", O::SCHEMA.name))?;
        let fields = input.into_fields();
        wire::validate(api.service(), Protocol::RestJson, O::SCHEMA.input, &fields)?;
        let scope = self.context.scope.clone();
        let mut call = self.fabric.call_from("cloudformation", scope, self.context.trace.clone());
        call.origin.clone_from(&self.context.origin);
        let reply = api.call(O::SCHEMA.name, call, fields).await?;
        O::Output::from_fields(reply.output).map_err(Error::internal)
    }
}
