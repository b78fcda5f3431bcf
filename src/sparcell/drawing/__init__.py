"""Pictures and pages: colours, outlines on images, scale bars, HTML."""
