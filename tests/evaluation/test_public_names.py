from __future__ import annotations

import subprocess
import sys


def test_evaluation_and_measurement_need_no_torch_and_no_plotting():
    code = (
        "import sys, sparcell.evaluation, sparcell.measurement;"
        "heavy = {'torch', 'matplotlib', 'pandas', 'skimage'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
