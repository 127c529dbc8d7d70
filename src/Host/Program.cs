using Portcullis.Host.Commands;

return await CommandLine.InvokeAsync(args, Console.Out, Console.Error, Environment.GetEnvironmentVariables());
