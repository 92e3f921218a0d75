namespace Palimpsest.Contracts;

/// <summary>Stable machine-readable codes of problems (HTTP <c>code</c>) and of failed analyses (<c>error.code</c>).</summary>
public static class ErrorCodes
{
    /// <summary>400: the request cannot be understood.</summary>
    public const string MalformedRequest = "malformed_request";

    /// <summary>400: the request carries no image.</summary>
    public const string ImageMissing = "image_missing";

    /// <summary>400/failed: the image has no bytes.</summary>
    public const string ImageEmpty = "image_empty";

    /// <summary>401: no key, or not one of ours.</summary>
    public const string Unauthenticated = "unauthenticated";

    /// <summary>403: the key lacks the scope.</summary>
    public const string Forbidden = "forbidden";

    /// <summary>404: no such thing for this tenant.</summary>
    public const string NotFound = "not_found";

    /// <summary>405: the path exists, the method does not.</summary>
    public const string MethodNotAllowed = "method_not_allowed";

    /// <summary>409: not in the state for this.</summary>
    public const string Conflict = "conflict";

    /// <summary>409: a request with this Idempotency-Key is still in flight.</summary>
    public const string IdempotencyInFlight = "idempotency_in_flight";

    /// <summary>422: this Idempotency-Key was used with another request.</summary>
    public const string IdempotencyMismatch = "idempotency_mismatch";

    /// <summary>410: erased on request or after its retention time.</summary>
    public const string Erased = "erased";

    /// <summary>413: more bytes than the limit.</summary>
    public const string ImageTooLarge = "image_too_large";

    /// <summary>415/failed: not an image format we accept, by its bytes.</summary>
    public const string UnsupportedFormat = "unsupported_format";

    /// <summary>422: an option has a value we do not know.</summary>
    public const string InvalidOption = "invalid_option";

    /// <summary>422: the address is not allowed (private, special, or not http(s)).</summary>
    public const string AddressRefused = "address_refused";

    /// <summary>422/failed: the URL could not be fetched.</summary>
    public const string FetchFailed = "fetch_failed";

    /// <summary>429: the tenant's quota is used up.</summary>
    public const string RateLimited = "rate_limited";

    /// <summary>503: too much is waiting already.</summary>
    public const string Overloaded = "overloaded";

    /// <summary>503: the disk or a server behind us is not available.</summary>
    public const string Unavailable = "unavailable";

    /// <summary>500: our mistake; the trace id finds it.</summary>
    public const string Internal = "internal_error";

    /// <summary>failed: the file ends too early.</summary>
    public const string ImageTruncated = "image_truncated";

    /// <summary>failed: the file cannot be decoded.</summary>
    public const string ImageCorrupt = "image_corrupt";

    /// <summary>failed: more pixels or a longer side than the limit.</summary>
    public const string TooManyPixels = "too_many_pixels";

    /// <summary>failed: smaller than 16 pixels on a side.</summary>
    public const string ImageTooSmall = "image_too_small";

    /// <summary>failed: decoding took longer than allowed.</summary>
    public const string DecodeTimeout = "decode_timeout";

    /// <summary>failed: the decoder process died on this picture.</summary>
    public const string DecoderCrashed = "decoder_crashed";

    /// <summary>failed: a service gave up on this picture repeatedly.</summary>
    public const string ProcessingCrashed = "processing_crashed";

    /// <summary>failed: no localizer could run.</summary>
    public const string NoDetectorRan = "no_detector_ran";

    /// <summary>failed: no answer by the final deadline.</summary>
    public const string DeadlineExceeded = "deadline_exceeded";
}
