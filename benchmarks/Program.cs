using Portcullis.Benchmarks.Compile;

if (args is ["compile", .. var rest])
{
    return CompileScenario.Run(rest is [var scale] ? int.Parse(scale) : 25_000);
}

if (args is ["services"])
{
    return ServiceScenario.Run(namespaces: 5_000, endpoints: 100);
}

Console.Error.WriteLine("usage: Portcullis.Benchmarks compile [NAMESPACES] | services");
return 2;
