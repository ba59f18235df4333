using System;
using System.Collections.Generic;
using System.Globalization;
using Amazon.Lambda.Core;

namespace Kobel.Lambda
{
    /// <summary>
    /// What a handler gets beside its event. Its type, and all others here, are only touched when the function brings
    /// Amazon.Lambda.Core. Members that newer versions of its interfaces have are found by their names.
    /// </summary>
    internal class Context : ILambdaContext
    {
        private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        private readonly Dictionary<string, object> _header;

        public Context(Dictionary<string, object> header)
        {
            _header = header;
            ClientContext = Parsed("clientContext") is Dictionary<string, object> client ? new ClientContext(client) : null;
            Identity = new Identity(Parsed("cognitoIdentity") as Dictionary<string, object>);
        }

        public string AwsRequestId { get { return Text.Of(_header, "requestId"); } }

        public IClientContext ClientContext { get; private set; }

        public string FunctionName { get { return Variable("AWS_LAMBDA_FUNCTION_NAME"); } }

        public string FunctionVersion { get { return Variable("AWS_LAMBDA_FUNCTION_VERSION"); } }

        public ICognitoIdentity Identity { get; private set; }

        public string InvokedFunctionArn { get { return Text.Of(_header, "functionArn"); } }

        public ILambdaLogger Logger { get { return Kobel.Lambda.Logger.Instance; } }

        public string LogGroupName { get { return Variable("AWS_LAMBDA_LOG_GROUP_NAME"); } }

        public string LogStreamName { get { return Variable("AWS_LAMBDA_LOG_STREAM_NAME"); } }

        public int MemoryLimitInMB
        {
            get
            {
                int.TryParse(Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), NumberStyles.None, CultureInfo.InvariantCulture, out int size);
                return size;
            }
        }

        public TimeSpan RemainingTime
        {
            get
            {
                var deadline = TimeSpan.FromMilliseconds(Convert.ToDouble(_header["deadlineMs"], CultureInfo.InvariantCulture));
                TimeSpan left = deadline - (DateTime.UtcNow - Epoch);
                return left < TimeSpan.Zero ? TimeSpan.Zero : left;
            }
        }

        public virtual string TraceId { get { return Text.Of(_header, "traceId"); } }

        public virtual string TenantId { get { return null; } }

        private object Parsed(string name)
        {
            string json = Text.Of(_header, name);
            return json == null ? null : Json.Read(json);
        }

        private static string Variable(string name)
        {
            return Environment.GetEnvironmentVariable(name);
        }
    }

    internal sealed class Identity : ICognitoIdentity
    {
        public Identity(Dictionary<string, object> values)
        {
            IdentityId = Text.Of(values, "cognitoIdentityId") ?? "";
            IdentityPoolId = Text.Of(values, "cognitoIdentityPoolId") ?? "";
        }

        public string IdentityId { get; private set; }

        public string IdentityPoolId { get; private set; }
    }

    internal sealed class ClientContext : IClientContext
    {
        public ClientContext(Dictionary<string, object> values)
        {
            Client = values.TryGetValue("client", out object client) && client is Dictionary<string, object> fields
                ? new ClientApplication(fields)
                : null;
            Custom = Text.All(values, "custom");
            Environment = Text.All(values, "env");
        }

        public IClientApplication Client { get; private set; }

        public IDictionary<string, string> Custom { get; private set; }

        public IDictionary<string, string> Environment { get; private set; }
    }

    internal sealed class ClientApplication : IClientApplication
    {
        public ClientApplication(Dictionary<string, object> values)
        {
            AppPackageName = Text.Of(values, "app_package_name");
            AppTitle = Text.Of(values, "app_title");
            AppVersionCode = Text.Of(values, "app_version_code");
            AppVersionName = Text.Of(values, "app_version_name");
            InstallationId = Text.Of(values, "installation_id");
        }

        public string AppPackageName { get; private set; }

        public string AppTitle { get; private set; }

        public string AppVersionCode { get; private set; }

        public string AppVersionName { get; private set; }

        public string InstallationId { get; private set; }
    }

    /// <summary>The context's logger.</summary>
    internal class Logger : ILambdaLogger
    {
        public static readonly Logger Instance = new Logger();

        public virtual void Log(string message)
        {
            LogLine(message);
        }

        public virtual void LogLine(string message)
        {
            Kobel.Lambda.Log.Write("Information", message, null, null);
        }

        public virtual void Log(string level, string message)
        {
            Kobel.Lambda.Log.Write(level, message, null, null);
        }

        public virtual void Log(string level, string message, params object[] arguments)
        {
            Kobel.Lambda.Log.Write(level, message, arguments, null);
        }

        public virtual void Log(string level, Exception exception, string message, params object[] arguments)
        {
            Kobel.Lambda.Log.Write(level, message, arguments, exception);
        }
    }

    /// <summary>Texts out of parsed JSON.</summary>
    internal static class Text
    {
        public static string Of(Dictionary<string, object> values, string name)
        {
            object value = null;
            bool found = values != null && values.TryGetValue(name, out value);
            return found && value != null ? Convert.ToString(value, CultureInfo.InvariantCulture) : null;
        }

        public static IDictionary<string, string> All(Dictionary<string, object> values, string name)
        {
            var texts = new Dictionary<string, string>();
            if (values.TryGetValue(name, out object found) && found is Dictionary<string, object> members)
            {
                foreach (string key in members.Keys)
                {
                    texts[key] = Of(members, key);
                }
            }
            return texts;
        }
    }
}
