// What the tests ask of AWS's own client for Node.js.

export async function handler(event, context) {
  if (event.do === "fail") {
    throw new RangeError("as asked");
  }
  if (event.do === "log") {
    console.log("printed");
    console.error("logged");
  }
  return {
    event,
    request_id: context.awsRequestId,
    function: context.functionName,
    arn: context.invokedFunctionArn,
    version: context.functionVersion,
    memory: context.memoryLimitInMB,
    log_group: context.logGroupName,
    deadline_ms: Date.now() + context.getRemainingTimeInMillis(),
    client: context.clientContext?.custom ?? context.clientContext?.Custom ?? null,
  };
}
