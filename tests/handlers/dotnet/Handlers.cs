using System;
using System.IO;
using System.Text;

/// <summary>One method a behaviour; each test names the one that it needs.</summary>
public class Handlers
{
    public Stream Echo(Stream payload)
    {
        Console.WriteLine("hello from dotnet");
        return payload;
    }

    public Stream Fail(Stream payload)
    {
        throw new InvalidOperationException("the tree fell");
    }

    public Stream Wrapped(Stream payload)
    {
        return new MemoryStream(Encoding.UTF8.GetBytes("\"" + Environment.GetEnvironmentVariable("WRAPPED") + "\""));
    }
}
