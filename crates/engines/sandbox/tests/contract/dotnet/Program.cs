// An executable assembly: it speaks the Runtime API itself, as the package Amazon.Lambda.RuntimeSupport does.
using System;
using System.Linq;
using System.Net.Http;
using System.Threading.Tasks;

public static class Program
{
    public static void Main(string[] arguments)
    {
        Serve(arguments).GetAwaiter().GetResult();
    }

    private static async Task Serve(string[] arguments)
    {
        string api = "http://" + Environment.GetEnvironmentVariable("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/";
        using (var client = new HttpClient())
        {
            while (true)
            {
                HttpResponseMessage next = await client.GetAsync(api + "next");
                string payload = await next.Content.ReadAsStringAsync();
                string id = next.Headers.GetValues("Lambda-Runtime-Aws-Request-Id").Single();
                string answer = "{\"own\":" + payload + ",\"arguments\":" + arguments.Length + "}";
                await client.PostAsync(api + id + "/response", new StringContent(answer));
            }
        }
    }
}
