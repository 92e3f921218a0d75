"""ONNX Runtime for Python: the package where there is one, else (Debian has none) the same engine's C library through ctypes."""
import ctypes as c
import os

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # from 1.29 on the engine reports to its maker otherwise
KINDS = {"f": 1, "B": 2}  # ONNXTensorElementDataType of an array's type
THREADS = int(os.environ.get("THREADS", "1"))  # of one run; 0: the engine's own choice, all cores

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

if onnxruntime is None:
    # Positions in the OrtApi table, onnxruntime_c_api.h; they never change.
    _base = c.CDLL(os.environ["ORT_LIBRARY"]).OrtGetApiBase
    _base.restype = c.POINTER(c.CFUNCTYPE(c.c_void_p, c.c_uint32))
    _api = c.cast(_base()[0](17), c.POINTER(c.c_void_p))
    _P = c.c_void_p
    _message = c.CFUNCTYPE(c.c_char_p, _P)(_api[2])
    _release_status, _release_value, _release_shape = (c.CFUNCTYPE(None, _P)(_api[i]) for i in (93, 96, 99))

    def _function(index, *arguments):
        call = c.CFUNCTYPE(_P, *arguments)(_api[index])

        def checked(*values):
            status = call(*values)
            if status:
                message = _message(status).decode()
                _release_status(status)
                raise RuntimeError(message)

        return checked

    _create_env = _function(3, c.c_int, c.c_char_p, _P)
    _create_session = _function(7, _P, c.c_char_p, _P, _P)
    _run = _function(9, _P, _P, _P, _P, c.c_size_t, _P, c.c_size_t, _P)
    _create_options = _function(10, _P)
    _threads = _function(24, _P, c.c_int)
    _wrap = _function(49, _P, _P, c.c_size_t, _P, c.c_size_t, c.c_int, _P)
    _data = _function(51, _P, _P)
    _rank = _function(61, _P, _P)
    _dimensions = _function(62, _P, _P, c.c_size_t)
    _shape = _function(65, _P, _P)
    _cpu = _function(69, c.c_int, c.c_int, _P)
    _env, _memory = _P(), _P()
    _create_env(3, b"peer", c.byref(_env))
    _cpu(1, 0, c.byref(_memory))


class Session:
    """One network."""

    def __init__(self, path):
        if onnxruntime:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = THREADS
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            return
        options, self.session = _P(), _P()
        _create_options(c.byref(options))
        _threads(options, THREADS)
        _create_session(_env, path.encode(), options, c.byref(self.session))

    def run(self, outputs, feeds):
        if onnxruntime:
            return self.session.run(outputs, feeds)
        values = []
        for array in feeds.values():
            shape, value = (c.c_int64 * array.ndim)(*array.shape), _P()
            _wrap(_memory, array.ctypes.data, array.nbytes, shape, array.ndim, KINDS[array.dtype.char], c.byref(value))
            values.append(value.value)
        answers = (_P * len(outputs))()
        _run(self.session, None, (c.c_char_p * len(feeds))(*(n.encode() for n in feeds)), (_P * len(values))(*values), len(values),
             (c.c_char_p * len(outputs))(*(n.encode() for n in outputs)), len(outputs), answers)
        result = []
        for answer in answers:
            info, rank, data = _P(), c.c_size_t(), _P()
            _shape(answer, c.byref(info))
            _rank(info, c.byref(rank))
            shape = (c.c_int64 * rank.value)()
            _dimensions(info, shape, rank.value)
            _data(answer, c.byref(data))
            result.append(np.ctypeslib.as_array(c.cast(data, c.POINTER(c.c_float)), tuple(shape)).copy())
            _release_shape(info)
        for value in (*values, *answers):
            _release_value(value)
        return result
