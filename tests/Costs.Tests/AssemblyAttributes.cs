using Xunit.Sdk;
using Xunit.v3;

// Allocations and kernel calls are counted for the whole process: nothing else may run beside what is counted.
[assembly: Parallelization(Mode = ParallelMode.None)]
