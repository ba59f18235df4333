// One function a behaviour; each test names the one that it needs.
export const echo = async (event) => event;

export const throwError = async () => {
  throw new RangeError("the branch is thin");
};

export const leave = async (event) => process.exit(event.code);

export const neverSettles = () => new Promise(() => {});

export const rejectLater = async () => {
  Promise.reject(new Error("nobody caught this"));
  await new Promise((resolve) => setTimeout(resolve, 50));
};

export const log = async (event) => {
  console.log("hello from node", event);
  return "logged";
};

export const environment = async () => process.env;

export const context = async (event, context) => ({
  awsRequestId: context.awsRequestId,
  functionName: context.functionName,
  memoryLimitInMB: context.memoryLimitInMB,
  remaining: context.getRemainingTimeInMillis(),
});
