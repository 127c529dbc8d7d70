using Portcullis.Host.Commands;
using Portcullis.Host.Native;

var output = new StreamWriter(new StandardOutput()) { AutoFlush = true };
return await CommandLine.InvokeAsync(args, output, Console.Error, Environment.GetEnvironmentVariables());
