using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Inference;

/// <summary>How networks run. Zero or null means: chosen from the machine when the network is loaded.</summary>
public sealed class InferenceOptions
{
    /// <summary>auto, cuda, tensorrt or cpu. <c>auto</c> takes CUDA when its library and a device are there and falls back to the CPU with one warning.</summary>
    public string Provider { get; set; } = ExecutionProviders.Auto;

    /// <summary>GPU number.</summary>
    [Range(0, 1_023)]
    public int Device { get; set; }

    /// <summary>Folder of model manifests; null: the platform's (<c>PALIMPSEST_MODELS</c>), and without a platform <c>models/</c> beside the program.</summary>
    public string? Models { get; set; }

    /// <summary>Which manifest serves a detector, by its <c>name</c>; needed only when several are made for the same one.</summary>
    public IDictionary<string, string> Choose { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Batches that run at the same time on one model; 0: one a core, at most four, on the CPU; one on a GPU.</summary>
    [Range(0, 256)]
    public int ConcurrentRuns { get; set; }

    /// <summary>Threads of one run; 0: cores ÷ concurrent runs on the CPU, 1 on a GPU.</summary>
    [Range(0, 1_024)]
    public int Threads { get; set; }

    /// <summary>Most pictures, tiles or faces in one batch; 0: 4 on the CPU, 16 on a GPU.</summary>
    [Range(0, 4_096)]
    public int MaxBatch { get; set; }

    /// <summary>Most pixels in one batch, unless it is a single item; 0: 1,048,576 on the CPU, 16 times that on a GPU.</summary>
    [Range(0, 1L << 40)]
    public long MaxBatchPixels { get; set; }

    /// <summary>How long the oldest item waits for company, milliseconds; null: 0 on the CPU, 2 on a GPU.</summary>
    [Range(0.0, 60_000.0)]
    public double? MaxDelayMs { get; set; }

    /// <summary>Pixels admitted and not yet answered; more submissions wait. 64 megapixels.</summary>
    [Range(1, 1L << 40)]
    public long MaxPixelsInFlight { get; set; } = 64L << 20;

    /// <summary>
    /// Added to the nice value of the threads that run networks, 0..19: how far everything else on the machine comes first when all cores are busy. An idle machine makes no difference.
    /// </summary>
    [Range(0, 19)]
    public int Niceness { get; set; } = 5;

    /// <summary>Idle threads of a run spin instead of sleeping: a little faster alone, slower for everyone else on the machine.</summary>
    public bool Spin { get; set; }
}
