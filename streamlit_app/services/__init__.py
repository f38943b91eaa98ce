"""What the pages call: values in, typed values out, errors as one sentence. Nothing here knows Streamlit."""
