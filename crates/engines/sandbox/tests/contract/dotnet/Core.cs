// Stands for the package Amazon.Lambda.Core, as far as functions and the runtime touch it.
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;

[assembly: AssemblyVersion("1.0.0.0")]

namespace Amazon.Lambda.Core
{
    public interface IClientApplication
    {
        string AppPackageName { get; }
        string AppTitle { get; }
        string AppVersionCode { get; }
        string AppVersionName { get; }
        string InstallationId { get; }
    }

    public interface IClientContext
    {
        IClientApplication Client { get; }
        IDictionary<string, string> Custom { get; }
        IDictionary<string, string> Environment { get; }
    }

    public interface ICognitoIdentity
    {
        string IdentityId { get; }
        string IdentityPoolId { get; }
    }

    public interface ILambdaLogger
    {
        void Log(string message);
        void LogLine(string message);
        // Newer versions of the package have these, with implementations of their own.
        void Log(string level, string message, params object[] arguments);
        void Log(string level, Exception exception, string message, params object[] arguments);
    }

    public interface ILambdaContext
    {
        string AwsRequestId { get; }
        IClientContext ClientContext { get; }
        string FunctionName { get; }
        string FunctionVersion { get; }
        ICognitoIdentity Identity { get; }
        string InvokedFunctionArn { get; }
        ILambdaLogger Logger { get; }
        string LogGroupName { get; }
        string LogStreamName { get; }
        int MemoryLimitInMB { get; }
        TimeSpan RemainingTime { get; }
        // Newer versions of the package have these, with implementations of their own.
        string TraceId { get; }
        string TenantId { get; }
    }

    public interface ILambdaSerializer
    {
        T Deserialize<T>(Stream requestStream);
        void Serialize<T>(T response, Stream responseStream);
    }

    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Assembly)]
    public sealed class LambdaSerializerAttribute : Attribute
    {
        public LambdaSerializerAttribute(Type serializerType)
        {
            SerializerType = serializerType;
        }

        public Type SerializerType { get; set; }
    }

    public static class LambdaLogger
    {
        private static Action<string> _loggingAction = message => Console.WriteLine("not redirected: " + message);

        public static void Log(string message)
        {
            _loggingAction(message);
        }
    }
}
